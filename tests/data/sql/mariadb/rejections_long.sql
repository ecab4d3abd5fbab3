SELECT f.`year_id`, m.`m0`, count(CASE WHEN f.`field_id` = 7 THEN f.`value` END), count(CASE WHEN 1 = 0 AND f.`field_id` = 7 THEN 1 END), min(CASE WHEN 1 = 0 AND f.`field_id` = 7 THEN concat(lpad(80 - char_length(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END), count(CASE WHEN f.`field_id` = 9 THEN f.`value` END), count(CASE WHEN 1 = 0 AND f.`field_id` = 9 THEN 1 END), min(CASE WHEN 1 = 0 AND f.`field_id` = 9 THEN concat(lpad(80 - char_length(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`value` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END)
FROM `figure` AS f LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM `council`
WHERE `id` IS NOT NULL) AS m ON m.`key` = f.`council_id`
WHERE f.`field_id` IN (7, 9) GROUP BY f.`year_id`, m.`m0`
