SELECT CAST(f."year" AS TEXT) AS "f.""year""", m."m0", count(f."debt"), count(*) FILTER (WHERE (f."debt" IS NOT NULL AND CASE WHEN f."debt" - f."debt" = 0 THEN f."debt" END IS NULL)), min(lpad((80 - length(left(f."debt"::text, 80)))::text, 3, '0') || ' ' || encode(convert_to(left(f."council_id"::text, 80), 'UTF8'), 'hex') || ' ' || encode(convert_to(left(f."debt"::text, 80), 'UTF8'), 'hex')) FILTER (WHERE (f."debt" IS NOT NULL AND CASE WHEN f."debt" - f."debt" = 0 THEN f."debt" END IS NULL)), count(f."reserves"), count(*) FILTER (WHERE (f."reserves" IS NOT NULL AND CASE WHEN f."reserves" - f."reserves" = 0 THEN f."reserves" END IS NULL)), min(lpad((80 - length(left(f."reserves"::text, 80)))::text, 3, '0') || ' ' || encode(convert_to(left(f."council_id"::text, 80), 'UTF8'), 'hex') || ' ' || encode(convert_to(left(f."reserves"::text, 80), 'UTF8'), 'hex')) FILTER (WHERE (f."reserves" IS NOT NULL AND CASE WHEN f."reserves" - f."reserves" = 0 THEN f."reserves" END IS NULL))
FROM "site"."budget" AS f LEFT OUTER JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL
 LIMIT ALL OFFSET '0') AS m ON m."key" = f."council_id" GROUP BY f."year", m."m0"
