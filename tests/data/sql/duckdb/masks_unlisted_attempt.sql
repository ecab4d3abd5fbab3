SELECT max(m."m0") AS max_1
FROM (SELECT "council_id" AS key, max(CASE WHEN (CAST("council_id" AS TEXT) IN ('leeds', 'st-helen''s', '50%')) THEN 1 ELSE 0 END) AS m0
FROM "figure"
WHERE "council_id" IS NOT NULL GROUP BY "council_id") AS m
