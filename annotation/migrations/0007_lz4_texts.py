"""Texts are compressed by lz4 where PostgreSQL has it: it costs an import less than pglz (docs/log.md)."""

from django.db import migrations

COLUMNS = ("prompt", "chosen", "rejected")


def use_lz4(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)"
        )
        if cursor.fetchone():
            for column in COLUMNS:
                cursor.execute(f"ALTER TABLE annotation_preference ALTER COLUMN {column} SET COMPRESSION lz4")


class Migration(migrations.Migration):
    dependencies = [("annotation", "0006_correction_reason")]
    operations = [migrations.RunPython(use_lz4, migrations.RunPython.noop)]
