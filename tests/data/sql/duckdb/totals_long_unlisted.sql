SELECT CAST(f."year_id" AS TEXT) AS "f.""year_id""", CAST(f."field_id" AS TEXT) AS "f.""field_id""", m."m0", sum(f."value"), count(f."value"), NULL
FROM "figure" AS f JOIN (SELECT "council_id" AS key, max(CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END) + max(CASE WHEN (CAST("council_id" AS TEXT) IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END) AS m0
FROM "figure"
WHERE "council_id" IS NOT NULL GROUP BY "council_id") AS m ON m."key" = f."council_id"
WHERE f."field_id" IN ('7', '9') GROUP BY f."year_id", f."field_id", m."m0"
