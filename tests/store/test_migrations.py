"""The migrations build exactly the models, and can be repeated."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import kif.store
from kif.store.engine import VERSION, Store, make_store
from kif.store.models import Base


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def test_the_migrated_schema_is_that_of_the_models(tmp_path: Path) -> None:
    store = make_store(tmp_path / "db")
    assert differences(store) == []


def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    store = make_store(tmp_path / "db")
    with store.transaction() as tx:
        tx.session.execute(text("DROP TABLE approval"))
        tx.session.execute(text("ALTER TABLE site ADD COLUMN more TEXT"))
    assert len(differences(store)) == 2


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path / "db")
    with store.transaction() as tx:
        tx.ledger.add([(0, b"leaf")])
    store.migrate()
    assert differences(store) == []
    with store.reading() as tx:
        assert list(tx.ledger.leaves()) == [b"leaf"]


def test_down_and_up_again(tmp_path: Path) -> None:
    store = make_store(tmp_path / "db")
    configuration = Config()
    folder = Path(kif.store.__file__).parent / "migrations"
    configuration.set_main_option("script_location", str(folder))
    with store.engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    store.migrate()
    assert differences(store) == []
    with store.reading() as tx:
        triggers = text("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
        assert tx.session.execute(triggers).scalar_one() == 4


def test_the_version_that_is_asked_for_is_the_newest(tmp_path: Path) -> None:
    with make_store(tmp_path / "db").reading() as tx:
        found = tx.session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert found == VERSION
