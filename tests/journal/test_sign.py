"""Keys and what they may sign."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)
from msgspec.structs import replace

from roadworthy.errors import UsageError
from roadworthy.journal.entry import Entry, JournalError, read, seal
from roadworthy.journal.sign import (
    Signer,
    Trust,
    create_key,
    keyid,
    load_signer,
    own_key,
    signer_from_text,
)

from .making import needs, secret_line
from .test_entry import draft


def signed(signer: Signer, target: str = "live", stage: str = "deploy", at: str = "") -> Entry:
    entry = draft(target=target, stage=stage)
    return replace(entry, keyid=signer.keyid, at=at or entry.at)


def policy(folder: Path, **changes: str) -> Trust:
    """Load `folder` with one rule for ci.pub, as TOML texts; "" leaves a line out."""
    rule = {
        "key": '"ci"',
        "target": '"live"',
        "environments": '["prod"]',
        "stages": '["deploy"]',
        "actions": '["*"]',
        "until": '"2027-01-01T00:00:00Z"',
    } | changes
    lines = [f"{name} = {value}" for name, value in rule.items() if value]
    (folder / "trust.toml").write_text("version = 1\n[[rule]]\n" + "\n".join(lines) + "\n")
    return Trust.load(folder)


def test_a_made_key_is_private_and_reads_back(tmp_path: Path) -> None:
    made = create_key(tmp_path / "keys", "ci")
    path = tmp_path / "keys" / "ci"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(path).keyid == made.keyid == signer_from_text(path.read_text()).keyid
    assert [p.name for p in sorted((tmp_path / "keys").iterdir())] == ["ci", "ci.pub"]
    assert set(Trust.load(tmp_path / "keys").keys) == {made.keyid}
    seed = load_ssh_private_key(path.read_bytes(), None).private_bytes_raw()
    assert base64.b64decode(secret_line(path))[-31:] == seed[:31], "where tests look for the secret"


def test_a_key_is_never_made_over_another(tmp_path: Path) -> None:
    create_key(tmp_path, "ci")
    before = (tmp_path / "ci").read_bytes(), (tmp_path / "ci.pub").read_bytes()
    with pytest.raises(UsageError, match="exists"):
        create_key(tmp_path, "ci")
    assert before == ((tmp_path / "ci").read_bytes(), (tmp_path / "ci.pub").read_bytes())


@needs("ssh-keygen")
def test_the_id_is_the_one_that_ssh_keygen_prints(tmp_path: Path) -> None:
    """Keys of ssh-keygen load as they are, and people can compare what they see."""
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", path], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    assert load_signer(path).keyid == shown.split()[1]
    assert set(Trust.load(tmp_path).keys) == {shown.split()[1]}
    assert keyid(bytes(32)).startswith("SHA256:")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    create_key(tmp_path, "ci")
    (tmp_path / "ci").chmod(mode)
    with pytest.raises(UsageError, match=f"mode {mode:04o}.*chmod 600"):
        load_signer(tmp_path / "ci")


@needs("ssh-keygen")
def test_what_is_no_usable_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"], check=True
    )
    good = tmp_path / "good"
    create_key(tmp_path, "good")
    canary = secret_line(good)[:40]
    cases = {
        "not an Ed25519 key": rsa.decode(),
        "without a passphrase": (tmp_path / "locked").read_text(),
        "is not a private key in PEM": good.read_text().replace(canary[-8:], "!" * 8),
        "is not a private key": "",
        "too big": "x" * 20_000,
    }
    for why, text in cases.items():
        with pytest.raises(UsageError, match=why) as caught:
            signer_from_text(text)
        assert caught.value.__cause__ is None
        assert canary[:20] not in str(caught.value)
    with pytest.raises(UsageError, match="No such file"):
        load_signer(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="not a file"):
        load_signer(tmp_path / "pipe")
    with pytest.raises(UsageError, match="Is a directory"):
        load_signer(tmp_path)


def test_a_signer_shows_nothing_secret(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    assert repr(signer) == f"Signer(keyid={signer.keyid!r}, public={signer.public!r})"


def test_only_the_signature_of_a_trusted_key_verifies(tmp_path: Path) -> None:
    ci, other = create_key(tmp_path / "a", "ci"), create_key(tmp_path / "b", "other")
    trust = Trust.load(tmp_path / "a")
    trust.verify(read(seal(signed(ci), ci.sign)[1]))
    with pytest.raises(JournalError, match="does not verify"):
        trust.verify(read(seal(signed(ci), other.sign)[1]))
    with pytest.raises(JournalError, match="not a trusted key"):
        trust.verify(read(seal(signed(other), other.sign)[1]))
    with pytest.raises(JournalError, match="does not verify"):
        trust.verify(read(seal(signed(ci), lambda data: b"short")[1]))


def test_a_key_of_the_sandbox_opens_nothing_live(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    trust = Trust.load(tmp_path)
    trust.check(signed(signer, target="sandbox"))
    with pytest.raises(JournalError, match="may not sign deploy/deploy of live/prod"):
        trust.check(signed(signer))


def test_a_rule_opens_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    trust = policy(tmp_path)
    trust.check(signed(signer))
    for other in (signed(signer, stage="build"), signed(signer, target="sandbox2")):
        with pytest.raises(JournalError, match="may not sign"):
            trust.check(other)
    policy(tmp_path, key=f'"{signer.keyid}"', environments='["*"]').check(signed(signer))
    with pytest.raises(JournalError, match="may not sign"):
        policy(tmp_path, environments='["staging"]').check(signed(signer))
    with pytest.raises(JournalError, match="may not sign"):
        policy(tmp_path, actions='["migrate"]').check(signed(signer))


def test_a_rule_for_the_sandbox_binds_there_too(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    trust = policy(tmp_path, target='"sandbox"', stages='["build"]')
    trust.check(signed(signer, target="sandbox", stage="build"))
    with pytest.raises(JournalError, match="may not sign"):
        trust.check(signed(signer, target="sandbox"))


def test_until_ends_a_rule_to_the_microsecond(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    trust = policy(tmp_path)
    trust.check(signed(signer, at="2026-12-31T23:59:59.999999Z"))
    with pytest.raises(JournalError, match="it expired at 2027-01-01T00:00:00Z"):
        trust.check(signed(signer, at="2027-01-01T00:00:00.000000Z"))
    policy(tmp_path, until="").check(signed(signer, at="2099-01-01T00:00:00.000000Z"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": '"nobody"'}, "no key 'nobody'"),
        ({"key": "3"}, r"trust\.toml:\d: write"),
        ({"target": ""}, "needs"),
        ({"stagse": '["deploy"]'}, "needs"),
        ({"stages": '"deploy"'}, "stages is not a list"),
        ({"actions": "[1]"}, r"trust\.toml:\d: write"),
        ({"until": '"tomorrow"'}, "until"),
        ({"until": "2027-01-01T00:00:00Z"}, r"trust\.toml:\d: write"),
        ({"target": "1"}, r"trust\.toml:\d: write"),
        ({"target": "[]"}, "target is not a text"),
        ({"key": '"ci'}, "trust.toml"),
        ({"from": '"2026"'}, "from"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_whole(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    create_key(tmp_path, "ci")
    with pytest.raises(UsageError, match=why):
        policy(tmp_path, **changes)


@pytest.mark.parametrize(
    "text", ["", "ssh-rsa AAAA x", "ssh-ed25519", "ssh-ed25519 !!", "ssh-ed25519 AAAA", "twice"]
)
def test_a_public_file_that_is_not_one_key_is_refused(tmp_path: Path, text: str) -> None:
    signer = create_key(tmp_path, "ci")
    (tmp_path / "bad.pub").write_text(f"{signer.public} a\n{signer.public} b\n" if text == "twice" else text)
    with pytest.raises(UsageError, match=r"bad\.pub"):
        Trust.load(tmp_path)


def test_one_key_under_two_names_is_refused(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    (tmp_path / "dl.pub").write_text(signer.public)
    with pytest.raises(UsageError, match="under another name"):
        Trust.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "needs `version"),
        ("version = 0\n", "needs `version"),
        ('version = "1"\n', "needs `version"),
        ("version = true\n", "needs `version"),
        ("version = 1\nrules = []\n", "nothing else"),
        ("version = 1\nrevoked = 1\n", "nothing else"),
        ('version = 1\n[[revoked]]\nkey = "ci"\n', "needs key and good"),
        ('version = 1\n[[revoked]]\nkey = "no"\ngood = []\n', "no key 'no'"),
        ('version = 1\n[[revoked]]\nkey = "ci"\ngood = ["live/prod 0 ' + "a" * 64 + '"]\n', "one head"),
        ('version = 1\n[[revoked]]\nkey = "ci"\ngood = ["live/prod 1"]\n', "one head"),
    ],
)
def test_a_policy_without_sense_is_refused_whole(tmp_path: Path, text: str, why: str) -> None:
    create_key(tmp_path, "ci")
    (tmp_path / "trust.toml").write_text(text)
    with pytest.raises(UsageError, match=why):
        Trust.load(tmp_path)


def test_from_begins_a_rule_to_the_microsecond(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    trust = policy(tmp_path, **{"from": '"2026-06-01T00:00:00Z"'})
    trust.check(signed(signer, at="2026-06-01T00:00:00.000000Z"))
    with pytest.raises(JournalError, match="may not sign"):
        trust.check(signed(signer, at="2026-05-31T23:59:59.999999Z"))


def test_another_key_under_an_old_name_is_another_policy(tmp_path: Path) -> None:
    create_key(tmp_path, "ci")
    before = policy(tmp_path).policy.sha256
    assert policy(tmp_path).policy.sha256 == before
    (tmp_path / "ci").unlink()
    create_key(tmp_path, "ci")
    assert policy(tmp_path).policy.sha256 != before


@pytest.mark.parametrize("name", ["../ci", "", ".ci", "a/b", "a\nb", "x" * 101, "ci.pub"])
def test_a_name_that_is_no_file_name_is_no_key_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a key"):
        create_key(tmp_path / "keys", name)
    assert not (tmp_path / "ci").exists()


def test_a_public_file_with_a_strange_name_is_refused(tmp_path: Path) -> None:
    signer = create_key(tmp_path, "ci")
    (tmp_path / "a b.pub").write_text(signer.public)
    with pytest.raises(UsageError, match="a key is named with"):
        Trust.load(tmp_path)


def test_a_key_whose_maker_was_killed_gets_its_public_half_at_the_next_call(tmp_path: Path) -> None:
    """A kill between the two files: the private half is there, the public one is not."""
    made = own_key(tmp_path / "keys", "sandbox")
    (tmp_path / "keys" / "sandbox.pub").unlink()
    assert own_key(tmp_path / "keys", "sandbox").keyid == made.keyid
    assert set(Trust.load(tmp_path / "keys").keys) == {made.keyid}


def test_an_own_key_is_read_when_it_signs_and_not_before(tmp_path: Path) -> None:
    made = own_key(tmp_path, "sandbox")
    private = tmp_path / "sandbox"
    private.chmod(0o644)
    again = own_key(tmp_path, "sandbox")
    assert (again.keyid, again.public) == (made.keyid, made.public)
    with pytest.raises(UsageError, match="others can read the signing key"):
        again.sign(b"x")
    private.chmod(0o600)
    assert again.sign(b"x") == made.sign(b"x")


def test_an_own_key_with_the_public_half_of_another_signs_nothing(tmp_path: Path) -> None:
    own_key(tmp_path, "sandbox")
    (tmp_path / "sandbox.pub").write_text(f"{create_key(tmp_path, 'other').public} sandbox\n")
    with pytest.raises(UsageError, match=r"sandbox\.pub is another key than .*sandbox: delete it"):
        own_key(tmp_path, "sandbox").sign(b"x")
    (tmp_path / "sandbox.pub").unlink()
    assert own_key(tmp_path, "sandbox").sign(b"x")


def test_a_kill_at_any_call_of_the_system_leaves_a_key_that_can_be_used(tmp_path: Path) -> None:
    """The maker is ended at each of its calls that changes a file; the next call has a whole pair."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "left = [int(sys.argv[2])]\n"
        "def ends(name, call):\n"
        "    def wrapped(*a, **k):\n"
        "        left[0] -= 1\n"
        "        if left[0] < 0: os._exit(9)\n"
        "        return call(*a, **k)\n"
        "    setattr(os, name, wrapped)\n"
        "from roadworthy.journal.sign import own_key\n"
        "for name in ('open', 'fsync', 'link', 'rename', 'replace', 'unlink'): ends(name, getattr(os, name))\n"
        "own_key(Path(sys.argv[1]), 'sandbox')\n"
    )
    for calls in range(40):
        folder = tmp_path / str(calls)
        done = subprocess.run([sys.executable, "-c", program, folder, str(calls)], check=False, timeout=60)
        signer = own_key(folder, "sandbox")
        assert set(Trust.load(folder).keys) == {signer.keyid}
        if done.returncode == 0:
            break
        assert done.returncode == 9
    assert 5 < calls < 39


@pytest.mark.parametrize("kind", ["ssh-rsa", "ecdsa-sha2-nistp256", ""])
def test_a_key_that_says_it_is_of_another_kind_is_none_whatever_its_bytes_are(
    tmp_path: Path, kind: str
) -> None:
    create_key(tmp_path, "deployer")
    path = tmp_path / "deployer.pub"
    path.write_text(path.read_text().replace("ssh-ed25519", kind, 1))
    with pytest.raises(UsageError, match="is not one OpenSSH Ed25519 public key"):
        Trust.load(tmp_path)


def test_a_file_that_is_too_long_is_no_key(tmp_path: Path) -> None:
    create_key(tmp_path, "deployer")
    path = tmp_path / "deployer.pub"
    path.write_text(path.read_text().rstrip() + "x" * (16 << 10))
    with pytest.raises(UsageError, match="longer than 16,384 bytes"):
        Trust.load(tmp_path)
