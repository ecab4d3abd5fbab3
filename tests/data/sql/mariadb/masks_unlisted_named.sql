SELECT DISTINCT CAST(`council_id` AS CHAR) AS `"council_id"`
FROM `figure`
WHERE CAST(`council_id` AS CHAR) IN ('leeds', 'it''s')
