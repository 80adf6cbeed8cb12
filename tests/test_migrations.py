"""The schema in versions is the schema of the models, on both databases; upgrading twice changes nothing."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from idprotect import create_app, migrations
from idprotect.models import Base
from idprotect.runtime import runtime


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_migrations_lead_to_the_models(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A column that is in a model and in no migration would be missing in production alone."""
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    app = create_app(
        {
            "IDPROTECT_DEVELOPMENT": True,
            "IDPROTECT_INSTANCE_DIR": tmp_path,
            "IDPROTECT_DATABASE_URL": url,
            "IDPROTECT_ARGON2_MEMORY_KIB": 64,
        }
    )
    with app.app_context():
        engine = runtime().db.engine
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE of_the_host (id INTEGER PRIMARY KEY)"))
        migrations.upgrade()
        migrations.upgrade()
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={"include_name": lambda name, kind, _: kind != "table" or name.startswith("idprotect_")},
            )
            differences = [
                d for d in compare_metadata(context, Base.metadata) if "alembic_version" not in str(d)
            ]
        assert differences == []
        assert "of_the_host" in inspect(engine).get_table_names()
        engine.dispose()
