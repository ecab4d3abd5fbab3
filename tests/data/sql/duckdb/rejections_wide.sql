SELECT CAST(f."year" AS TEXT) AS "f.""year""", m."m0", count(f."debt"), count(*) FILTER (WHERE 1 = 0), min(lpad(CAST(80 - length(left(CAST(f."debt" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."debt" AS TEXT), 80))) FILTER (WHERE 1 = 0), count(f."reserves"), count(*) FILTER (WHERE 1 = 0), min(lpad(CAST(80 - length(left(CAST(f."reserves" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."reserves" AS TEXT), 80))) FILTER (WHERE 1 = 0)
FROM "site"."budget" AS f JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m ON m."key" = f."council_id" GROUP BY f."year", m."m0"
