from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0002_anchor_room_and_label_time"),
    ]

    operations = [
        migrations.AddField(
            model_name="preferenceimport",
            name="attempts",
            field=models.PositiveSmallIntegerField(default=0, help_text="How many workers have begun it."),
        ),
    ]
