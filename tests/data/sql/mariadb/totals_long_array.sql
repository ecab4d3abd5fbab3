SELECT f.`year_id`, f.`field_id`, f.`m0`, sum(f.`value`), count(f.`value`), NULL
FROM (SELECT f.`year_id`, f.`field_id`, f.`value`, CASE WHEN f.`council_id` > 0 THEN ascii(substr(X'010003', f.`council_id`, 1)) ELSE 0 END AS m0
FROM `figure` AS f
WHERE f.`field_id` IN (7, 9)) AS f GROUP BY f.`year_id`, f.`field_id`, f.`m0`
