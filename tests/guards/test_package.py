"""What is released, and what runs."""

import pytest
from msgspec.structs import replace
from release_facts import (
    KNOWN,
    NEW,
    OLD,
    PROD,
    RUNNING,
    SLUG,
    STAGING,
    ask,
    asked,
    deployed,
    facts_of,
    plan_of,
    refused,
)

from roadworthy.errors import UsageError
from roadworthy.git import Tree
from roadworthy.model import History, Package, Processes, ReleasePackage, Verdict
from roadworthy.packages.start_commands import processes


def test_a_clean_tree_passes():
    assert asked("tree_is_clean", "deploy").outcome == "pass"


def test_a_dirty_tree_refuses_and_names_the_first_files():
    dirty = Tree(NEW.commit, "main", False, (" M a.py", "?? b c.py", "D  c.py", "?? d.py"), False)
    verdict = asked("tree_is_clean", "deploy", tree=dirty)
    assert refused(verdict, "a.py, b c.py, c.py, …", "commit")
    assert "d.py" not in verdict.reason
    assert "…" not in asked("tree_is_clean", "deploy", tree=replace(dirty, changed=dirty.changed[:3])).reason


def test_a_shallow_or_detached_clone_is_clean_enough():
    # CI checks out like this; what needs history asks for it.
    assert asked("tree_is_clean", "deploy", tree=Tree(NEW.commit, None, True, (), True)).outcome == "pass"


def test_a_commit_that_what_runs_was_not_made_on_top_of_passes():
    assert asked("package_is_not_older", "deploy").outcome == "pass"


def test_an_older_commit_over_a_newer_one_refuses_and_says_how_to_go_back():
    words = (NEW.commit[:12], OLD.commit[:12], "invoke rollback --env prod", f"--sha {NEW.commit}")
    assert refused(asked("package_is_not_older", "deploy", older=True), *words)


def test_the_age_of_a_commit_matters_where_something_runs_in_production_and_nobody_means_an_earlier_one():
    elsewhere = asked("package_is_not_older", "deploy", STAGING, older=True)
    replay = asked("package_is_not_older", "deploy", plan={"replay": True}, older=True)
    first = asked("package_is_not_older", "deploy", history=History(), older=True)
    assert {elsewhere.outcome, replay.outcome, first.outcome} == {"n/a"}


@pytest.mark.parametrize("action", ["deploy", "rollback"])
def test_a_package_named_by_digest_and_full_commit_is_pinned(action):
    assert asked("package_is_pinned", action).outcome == "pass"


@pytest.mark.parametrize(
    ("package", "word"),
    [
        (Package("c" * 40, "latest", 1), "latest"),
        (Package("c" * 40, "D" * 64, 1), "digest"),
        (Package("c" * 40, "d" * 63, 1), "digest"),
        (Package("c" * 40, "d" * 64 + "\n", 1), "digest"),
        (Package("c" * 12, "d" * 64, 1), "40 characters"),
        (Package("main", "d" * 64, 1), "main"),
    ],
)
def test_a_package_named_by_anything_else_refuses(package, word):
    plan = replace(plan_of("deploy"), package=package, steps=(ReleasePackage(package),))
    assert refused(ask("package_is_pinned", plan, facts_of("deploy")), word)


@pytest.mark.parametrize(
    ("ref", "passes"),
    [
        (f"registry.example.com/team/web@sha256:{NEW.digest}", True),
        (f"registry.example.com/team/web@sha256:{OLD.digest}", False),
        ("registry.example.com/team/web:latest", False),
        ("", False),
    ],
)
def test_an_image_is_pinned_when_its_reference_names_its_digest(ref, passes):
    image = replace(NEW, kind="image", ref=ref)
    plan = replace(plan_of("deploy"), package=image, steps=(ReleasePackage(image),))
    verdict = ask("package_is_pinned", plan, facts_of("deploy"))
    assert verdict.outcome == "pass" if passes else refused(verdict, "by its digest")


def test_a_plan_without_a_package_refuses():
    assert refused(ask("package_is_pinned", replace(plan_of("deploy"), package=None), facts_of("deploy")))


def test_a_step_that_would_release_another_package_refuses():
    plan = replace(plan_of("deploy"), steps=(ReleasePackage(NEW), ReleasePackage(OLD)))
    assert refused(ask("package_is_pinned", plan, facts_of("deploy")), OLD.digest[:12])


def with_slug(slug: str, history: History):
    plan = replace(plan_of("deploy"), steps=(ReleasePackage(NEW, slug),))
    return ask("package_is_pinned", plan, facts_of("deploy", history=history))


def test_a_slug_on_the_platform_is_pinned_when_the_journal_knows_it_as_this_package():
    assert with_slug(SLUG, History((deployed(OLD), deployed(NEW, artifact=SLUG)))).outcome == "pass"


def test_a_slug_that_the_journal_knows_as_another_package_refuses():
    assert refused(with_slug(SLUG, History((deployed(OLD, artifact=SLUG),))), SLUG)


@pytest.mark.parametrize("slug", ["latest", SLUG.upper(), SLUG + "\n", "../" + SLUG])
def test_a_slug_that_is_no_id_refuses(slug):
    assert refused(with_slug(slug, KNOWN["history"]), "not a slug id")


def phase(line: str, declared: str = "", action: str = "deploy") -> Verdict:
    """The verdict on a Procfile with this line, read as a build reads it."""
    commands = processes(f"web: run\n{line}\nworker: python -m alembic_watcher\n".encode())
    return asked("release_phase_is_disabled", action, start_commands=(Processes(commands, declared),))


PLAYBOOK = "bash -lc \"echo 'Release phase disabled by policy. Use make heroku-run-migrate (guarded)'\""
RELEASES = (
    "bundle exec rails db:migrate", "bin/rails db:prepare", "bundle exec rake db:setup",
    "bundle exec rake db:schema:load", "bundle exec rake db:structure:load", "python manage.py migrate --noinput",
    "./release.sh", "bash ./bin/release-tasks.sh", "bin/release", "make release", "npm run release",
    "php artisan migrate --force", "npx prisma migrate deploy", "npx prisma db push",
    "npx prisma  db  push --accept-data-loss", "npx knex migrate:latest", "npm run typeorm migration:run",
    "npm run typeorm schema:sync", "npx mikro-orm schema:update --run",
    "php bin/console doctrine:schema:update --force", "npx drizzle-kit push",
    "node -e \"require('./models').sequelize.sync({alter:true})\"",
    'python -c "from app import db; db.create_all()"', "flask db upgrade", "mix ecto.setup",
    "_build/prod/rel/app/bin/app eval 'App.Release.migrate'", "goose up", "sqlx database setup", "diesel setup",
    "psql $DATABASE_URL -f schema.sql", 'cat db/*.sql | psql "$DATABASE_URL"', "python manage.py syncdb", "evolve",
    "atlas schema apply --url $DATABASE_URL --auto-approve", "hasura metadata apply", "sqitch deploy",
    "skeema push",
    "yoyo apply", "dbmate up", "python manage.py collectstatic --noinput",
    "sentry-cli releases new $HEROKU_SLUG_COMMIT", 'echo "migrate"', "echo hi; python manage.py migrate",
    'echo "$(make heroku-run-migrate)"', "true", PLAYBOOK, "python -m alembic upgrade head",
)  # fmt: skip


@pytest.mark.parametrize("command", RELEASES)
def test_a_release_phase_passes_when_it_is_declared_and_refuses_when_it_is_not(command: str):
    assert phase(f"release: {command}", command).outcome == "pass"
    assert phase(f"release: {command}\r", command).outcome == "pass", "CRLF ends a line"
    assert refused(phase(f"release: {command}"), command.split()[0][:8], "release_phase", "invoke migrate")
    for other in (f"{command} ", command[:-1], f"{command}; true", command.upper() + "x"):
        assert phase(f"release: {command}", other).outcome == "refuse", "only the very command is declared"


@pytest.mark.parametrize(
    "line", ["Release: alembic upgrade head", "release : alembic upgrade head", "RELEASE:x", "\trelease:\tx"]
)
def test_no_way_to_write_its_name_hides_a_release_phase(line: str):
    assert refused(phase(line), "release_phase")


@pytest.mark.parametrize(
    "text", ["\ufeffrelease: python manage.py migrate", "web: x\x0brelease: alembic upgrade head"]
)
def test_what_could_hide_one_is_no_procfile_at_all(text: str):
    with pytest.raises(UsageError, match="Procfile:1"):
        processes(text.encode())


def test_a_procfile_without_a_release_phase_passes():
    # That a web process changes the schema when it starts is seen in acceptance, not in its words.
    assert phase("# release: alembic upgrade head", "echo hi").outcome == "pass"
    assert phase("clock: alembic upgrade head && run").outcome == "pass"


def test_each_component_has_a_release_phase_of_its_own():
    both = (
        Processes({"release": "echo a"}, "echo a", "web"),
        Processes({"release": "echo b"}, "echo a", "worker"),
    )
    assert asked("release_phase_is_disabled", "deploy", start_commands=both[:1]).outcome == "pass"
    assert refused(asked("release_phase_is_disabled", "deploy", start_commands=both), "echo b")


def test_an_undeclared_release_phase_is_not_even_accepted():
    assert refused(phase("release: make db", action="accept"), "make db")


@pytest.mark.parametrize("action", ["migrate", "certify"])
def test_the_released_package_may_be_acted_on(action):
    assert asked("package_is_running", action).outcome == "pass"


@pytest.mark.parametrize("action", ["migrate", "certify"])
def test_nothing_deployed_refuses(action):
    assert refused(asked("package_is_running", action, history=History()), "invoke deploy --env prod")


def test_a_platform_that_runs_what_the_journal_does_not_know_refuses():
    other = replace(RUNNING["observed"], digest="f" * 64)
    assert refused(asked("package_is_running", "migrate", observed=other), "ffffffffffff", "invoke reconcile")
    none = replace(RUNNING["observed"], digest="")
    assert refused(asked("package_is_running", "migrate", observed=none), "no package")


def test_a_plan_for_another_package_than_the_running_one_refuses():
    plan = replace(plan_of("migrate"), package=OLD)
    assert refused(ask("package_is_running", plan, facts_of("migrate")), OLD.digest[:12], "invoke deploy")
    assert refused(ask("package_is_running", replace(plan, package=None), facts_of("migrate")), "no package")


def test_certify_runs_before_production_only():
    assert asked("certifies_no_production", "certify", STAGING).outcome == "pass"
    assert refused(asked("certifies_no_production", "certify", PROD), "--env staging")


# ---- who built an image ----------------------------------------------------------------------------------------

IMAGE = replace(
    NEW, kind="image", ref=f"registry.example/team/web@sha256:{NEW.digest}", config="sha256:" + "a" * 64
)
FOUND = replace(IMAGE, found=True)


def built_here(package: Package | None, environment=PROD) -> Verdict:
    return ask(
        "package_is_built_here",
        replace(plan_of("deploy", environment), package=package),
        facts_of("deploy", environment),
    )


def test_an_image_that_was_built_on_record_may_go_to_production():
    assert built_here(IMAGE).outcome == "pass"


def test_an_image_that_was_found_refuses_and_names_where_anybody_may_push():
    assert refused(built_here(FOUND), "registry.example/team/web", "make a new commit")
    several = Package.together((replace(IMAGE, component="web"), replace(FOUND, component="worker")))
    assert refused(built_here(several), "found in")


def test_who_built_it_is_asked_of_images_in_production_alone():
    assert built_here(FOUND, STAGING).outcome == "n/a"
    assert built_here(NEW).outcome == "n/a"
    assert built_here(None).outcome == "n/a"
