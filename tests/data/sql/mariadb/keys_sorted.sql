SELECT s.`k`
FROM (SELECT `region` AS k
FROM `council`
WHERE 1 = 0 UNION ALL SELECT 'South' UNION ALL SELECT 'North') AS s ORDER BY s.`k`
