SELECT DISTINCT CAST(`slug` AS CHAR) AS `"slug"`
FROM `council`
WHERE `slug` IN ('leeds', 'it''s')
