SELECT CAST(p."period" AS TEXT) AS "p.""period""", count(*) FILTER (WHERE p.c0 IS NOT NULL), max(p.c0), bool_or(p.c0 IS NOT NULL)
FROM (SELECT f."council_id" AS entity, f."year_id" AS period, CASE WHEN f."field_id" = '7' THEN f."value" END::numeric AS c0
FROM "figure" AS f
WHERE f."field_id" IN ('7')) AS p GROUP BY p."period"
