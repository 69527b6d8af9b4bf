"""A project with any number of labels, written by a few statements: as the services would have left it."""

from __future__ import annotations

import psycopg
from psycopg import sql

PREFERENCES = """
INSERT INTO annotation_preference (project_id, split, number, content_hash, prompt, chosen, rejected,
    external_id, source, exclusion_reason)
SELECT %(project)s, 'train', n, md5(n::text) || md5((-n)::text), jsonb_build_array(n), jsonb_build_array(n),
    jsonb_build_array(-n), '', '', ''
FROM generate_series(0, %(preferences)s - 1) AS n
"""
# Pair number j joins two preferences that are 1, 2, … apart, so that no pair comes twice.
COMPARISONS = """
INSERT INTO annotation_comparison (pool_id, low_id, high_id, holds_slot, state, needed, free_slots,
    label_count, outcome, disputed, adjudicated, needs_fold, folded, queue_position, created_at, resolved_at)
SELECT %(pool)s, p.first + j %% span, p.first + j %% span + 1 + j / span, FALSE, 'resolved', %(overlap)s, 0,
    %(overlap)s, CASE WHEN j %% 2 = 0 THEN 'low' ELSE 'high' END, FALSE, FALSE, TRUE, '[]', j, now(), now()
FROM (SELECT min(id) AS first, count(*) - 64 AS span FROM annotation_preference) AS p,
    generate_series(0, %(comparisons)s - 1) AS j
"""
# Person number (j + r·step) mod people for r = 0, 1, …: all different, in changing company.
ASSIGNMENTS = """
INSERT INTO annotation_assignment (comparison_id, annotator_id, project_id, state, kind, low_first, leased_at,
    expires_at)
SELECT c.id, u.id, %(project)s, 'labelled', 'work', random() < .5, at, at + interval '15 minutes'
FROM annotation_comparison c
CROSS JOIN generate_series(0, %(overlap)s - 1) AS r
CROSS JOIN LATERAL (SELECT 1 + c.queue_position / %(people)s %% ((%(people)s - 1) / %(overlap)s) AS step) AS s
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM annotation_user
    WHERE NOT is_superuser) AS u ON u.place = (c.queue_position + r * s.step) %% %(people)s
CROSS JOIN LATERAL (SELECT now() - interval '4 hours' * (1 - (c.queue_position + r)::float
    / (%(comparisons)s + %(overlap)s)) AS at) AS t
ORDER BY c.queue_position, r
"""
# 8 % too close, 2 % cannot judge, the rest three times in four for the side the comparison was decided for.
LABELS = """
INSERT INTO annotation_label (assignment_id, comparison_id, project_id, annotator_id, kind, verdict,
    low_first, reason, first_looks_swapped, second_looks_swapped, idempotency_key, duration_ms, is_current,
    created_at)
SELECT a.id, a.comparison_id, a.project_id, a.annotator_id, 'work',
    CASE WHEN d < .08 THEN 'too_close' WHEN d < .1 THEN 'cannot_judge'
        WHEN (d < .775) = ((c.outcome = 'low') = a.low_first) THEN 'first' ELSE 'second' END,
    a.low_first, '', FALSE, FALSE, gen_random_uuid(), 4000 + (d * 20000)::int, TRUE, a.leased_at
FROM (SELECT *, random() AS d FROM annotation_assignment ORDER BY id) AS a
JOIN annotation_comparison c ON c.id = a.comparison_id ORDER BY a.id
"""
TALLIES = """
INSERT INTO annotation_tally (pool_id, annotator_id, drawn, labels, first, second, too_close, cannot_judge,
    flags, decided, undecided, full_anchors, exhausted_anchors, gold, gold_right, retests, retests_same,
    timed, milliseconds, day, day_labels, last_at)
SELECT c.pool_id, l.annotator_id, count(DISTINCT l.comparison_id) / %(overlap)s, count(*),
    count(*) FILTER (WHERE verdict = 'first'), count(*) FILTER (WHERE verdict = 'second'),
    count(*) FILTER (WHERE verdict = 'too_close'), count(*) FILTER (WHERE verdict = 'cannot_judge'), 0,
    count(*) / %(overlap)s, 0, 0, 0, 0, 0, 0, 0, count(*), sum(duration_ms), current_date, count(*),
    max(l.created_at)
FROM annotation_label l JOIN annotation_comparison c ON c.id = l.comparison_id GROUP BY 1, 2
"""
STEPS = (PREFERENCES, COMPARISONS, ASSIGNMENTS, LABELS, TALLIES)
TABLES = ("preference", "comparison", "assignment", "label", "tally", "pool")


def fill(url: str, *, project: int, pool: int, labels: int, overlap: int, people: int) -> int:
    """So many labels on comparisons of which none is folded; how many labels there are."""
    comparisons = labels // overlap
    numbers = {
        "project": project,
        "pool": pool,
        "overlap": overlap,
        "people": people,
        "comparisons": comparisons,
        "preferences": comparisons // 8 + 128,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # foreign keys hold by construction
        for step in STEPS:
            connection.execute(step, numbers)
        drawn = "UPDATE annotation_pool SET size = %(preferences)s, counter = %(comparisons)s"
        connection.execute(f"{drawn} WHERE id = %(pool)s", numbers)
        vacuum(connection)
        row = connection.execute("SELECT sum(labels) FROM annotation_tally").fetchone()
    return int(row[0]) if row else 0


def vacuum(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """What autovacuum does by itself, some minutes later."""
    for name in TABLES:
        connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(f"annotation_{name}")))
