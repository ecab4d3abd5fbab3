SELECT m."m0", count(*) AS count_1, min(m."key") AS min_1, max(m."key") AS max_1
FROM (SELECT "council_id" AS key, max(CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END) + max(CASE WHEN (CAST("council_id" AS TEXT) IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END) AS m0
FROM "figure"
WHERE "council_id" IS NOT NULL GROUP BY "council_id") AS m GROUP BY m."m0"
