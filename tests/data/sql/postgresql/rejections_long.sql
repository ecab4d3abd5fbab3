SELECT CAST(f."year_id" AS TEXT) AS "f.""year_id""", m."m0", count(f."value") FILTER (WHERE f."field_id" = '7'), count(*) FILTER (WHERE (f."value" IS NOT NULL AND CASE WHEN f."value" - f."value" = 0 THEN f."value" END IS NULL) AND f."field_id" = '7'), min(lpad((80 - length(left(f."value"::text, 80)))::text, 3, '0') || ' ' || encode(convert_to(left(f."council_id"::text, 80), 'UTF8'), 'hex') || ' ' || encode(convert_to(left(f."value"::text, 80), 'UTF8'), 'hex')) FILTER (WHERE (f."value" IS NOT NULL AND CASE WHEN f."value" - f."value" = 0 THEN f."value" END IS NULL) AND f."field_id" = '7'), count(f."value") FILTER (WHERE f."field_id" = '9'), count(*) FILTER (WHERE (f."value" IS NOT NULL AND CASE WHEN f."value" - f."value" = 0 THEN f."value" END IS NULL) AND f."field_id" = '9'), min(lpad((80 - length(left(f."value"::text, 80)))::text, 3, '0') || ' ' || encode(convert_to(left(f."council_id"::text, 80), 'UTF8'), 'hex') || ' ' || encode(convert_to(left(f."value"::text, 80), 'UTF8'), 'hex')) FILTER (WHERE (f."value" IS NOT NULL AND CASE WHEN f."value" - f."value" = 0 THEN f."value" END IS NULL) AND f."field_id" = '9')
FROM "figure" AS f LEFT OUTER JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL
 LIMIT ALL OFFSET '0') AS m ON m."key" = f."council_id"
WHERE f."field_id" IN ('7', '9') GROUP BY f."year_id", m."m0"
