SELECT CAST(f."year_id" AS TEXT) AS "f.""year_id""", m."m0", count(f."value") FILTER (WHERE f."field_id" = '7'), count(*) FILTER (WHERE 1 = 0 AND f."field_id" = '7'), min(lpad(CAST(80 - length(left(CAST(f."value" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."value" AS TEXT), 80))) FILTER (WHERE 1 = 0 AND f."field_id" = '7'), count(f."value") FILTER (WHERE f."field_id" = '9'), count(*) FILTER (WHERE 1 = 0 AND f."field_id" = '9'), min(lpad(CAST(80 - length(left(CAST(f."value" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."value" AS TEXT), 80))) FILTER (WHERE 1 = 0 AND f."field_id" = '9')
FROM "figure" AS f JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m ON m."key" = f."council_id"
WHERE f."field_id" IN ('7', '9') GROUP BY f."year_id", m."m0"
