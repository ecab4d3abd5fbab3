SELECT c."n"
FROM (SELECT count(*) AS n
FROM (SELECT 1 AS k
FROM "figure"
 LIMIT 10001) AS f) AS c
WHERE c."n" > 10000
