"""What is told of a command that ended."""

from roadworthy.mask import Mask
from roadworthy.trial import place


def test_of_what_a_command_said_the_end_is_told_with_its_secrets_hidden_before_anything_is_cut():
    secret = "canary-0123456789"
    last = f"{secret}{'x' * (place.LONGEST_LINE - 5)}"
    ran = place.Ran(
        "exited with 1", "\n".join(["first", *map(str, range(20)), "\x1b[31m", last, ""]).encode()
    )
    told = ran.told(Mask((secret,)))
    assert told.splitlines()[0] == "exited with 1" and "first" not in told
    assert len(told.splitlines()) == 1 + place.LAST_LINES
    assert secret[-6:] not in told and "\x1b" not in told
    assert place.Ran("exited with 1", b"").told() == "exited with 1"
