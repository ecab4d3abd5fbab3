SELECT CAST(p."entity" AS TEXT) AS "p.""entity""", CAST(p."period" AS TEXT) AS "p.""period""", m."m0", p."c0", p."x0", p."c1", p."x1", p."c2", p."x2"
FROM (SELECT f."council_id" AS entity, f."year" AS period, sum(f."debt") AS c0, NULL AS x0, sum(f."population") AS c1, NULL AS x1, sum(f."reserves") AS c2, NULL AS x2
FROM "site"."budget" AS f GROUP BY f."council_id", f."year") AS p JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL) AS m ON m."key" = p."entity"
