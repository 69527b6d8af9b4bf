from django.apps import AppConfig
from django.core.checks import register


class AnnotationConfig(AppConfig):
    name = "annotation"
    verbose_name = "Annotation"

    def ready(self) -> None:
        from annotation.database_check import sqlite_is_new_enough

        register(sqlite_is_new_enough)
