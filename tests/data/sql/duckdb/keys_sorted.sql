SELECT CAST(s.k AS TEXT) FROM (SELECT "region" AS k
FROM "council"
WHERE 1 = 0 UNION ALL SELECT CAST(v.k AS text) FROM (VALUES ('South'), ('North')) AS v(k)) AS s ORDER BY s.k
