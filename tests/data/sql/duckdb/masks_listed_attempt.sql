SELECT max(m."m0") AS max_1
FROM (SELECT "id" AS key, CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 1 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m
