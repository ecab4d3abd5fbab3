SELECT CAST(f."year_id" AS TEXT) AS "f.""year_id""", CAST(f."field_id" AS TEXT) AS "f.""field_id""", m."m0", sum(f."value"), count(f."value"), NULL
FROM "figure" AS f JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m ON m."key" = f."council_id"
WHERE f."field_id" IN ('7', '9') GROUP BY f."year_id", f."field_id", m."m0"
