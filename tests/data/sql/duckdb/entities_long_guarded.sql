SELECT CAST(p."entity" AS TEXT) AS "p.""entity""", CAST(p."period" AS TEXT) AS "p.""period""", m."m0", p."c0", p."x0", p."c1", p."x1", p."c2", p."x2"
FROM (SELECT f."council_id" AS entity, f."year_id" AS period, sum(f."value") FILTER (WHERE f."field_id" = '7') AS c0, NULL AS x0, sum(f."value") FILTER (WHERE f."field_id" = '12') AS c1, NULL AS x1, sum(f."value") FILTER (WHERE f."field_id" = '9') AS c2, NULL AS x2
FROM "figure" AS f GROUP BY f."council_id", f."year_id") AS p JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m ON m."key" = p."entity"
