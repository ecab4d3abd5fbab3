SELECT p."period", count(*) FILTER (WHERE p.c0 IS NOT NULL), max(p.c0), max(p.c0 IS NOT NULL), sum(p.c0)
FROM (SELECT f."council_id" AS entity, f."year_id" AS period, CASE WHEN f."field_id" = 7 THEN CASE WHEN +f."value" BETWEEN -1799999999999 AND 1799999999999 AND round(f."value" * 100) / 100.0 = f."value" THEN CAST(round(f."value" * 100) AS INTEGER) WHEN f."value" IS NOT NULL THEN 0.0 END END AS c0, NULL AS x0
FROM "figure" AS f
WHERE f."field_id" IN (7)) AS p GROUP BY p."period"
