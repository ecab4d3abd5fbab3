SELECT count(CASE WHEN f.`field_id` = 7 THEN f.`value` END), count(CASE WHEN 1 = 0 AND f.`field_id` = 7 THEN 1 END), min(CASE WHEN 1 = 0 AND f.`field_id` = 7 THEN concat(lpad(80 - char_length(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END), count(CASE WHEN f.`field_id` = 9 THEN f.`value` END), count(CASE WHEN 1 = 0 AND f.`field_id` = 9 THEN 1 END), min(CASE WHEN 1 = 0 AND f.`field_id` = 9 THEN concat(lpad(80 - char_length(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END)
FROM (SELECT f.`council_id`, f.`field_id`, f.`value`, f.`year_id`
FROM `figure` AS f
 LIMIT 10000) AS f
WHERE f.`field_id` IN (7, 9)
