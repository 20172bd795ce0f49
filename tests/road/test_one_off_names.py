"""The names of one-off processes come again; what an older one of the same name logged says nothing of ours."""

from road.project import Project


def test_the_exit_status_of_an_older_one_off_of_the_same_name_is_not_taken_for_ours(project: Project):
    project.deployed()
    old = "2020-01-01T00:00:00.000000+00:00 heroku[run.{}]: Process exited with status 1\n"
    log = project.sandbox / "logs" / f"{project.staging}.log"
    log.write_text("".join(map(old.format, range(1000, 10000))) + log.read_text())
    assert project.json("migrate")["details"]["revision"] == "0001"
