SELECT CONVERT(min(CAST(CONVERT(`region` USING utf8mb4) AS BINARY)) USING utf8mb4)
FROM `council`
WHERE `region` IN ('South', 'North') GROUP BY `region` ORDER BY `region`
