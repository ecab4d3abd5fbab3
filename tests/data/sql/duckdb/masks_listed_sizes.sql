SELECT m."m0", count(*) AS count_1, min(m."key") AS min_1, max(m."key") AS max_1
FROM (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m GROUP BY m."m0"
