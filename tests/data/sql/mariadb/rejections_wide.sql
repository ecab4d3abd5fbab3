SELECT f.`year`, m.`m0`, count(f.`debt`), count(CASE WHEN 1 = 0 THEN 1 END), min(CASE WHEN 1 = 0 THEN concat(lpad(80 - char_length(left(CONVERT(f.`debt` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`debt` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END), count(f.`reserves`), count(CASE WHEN 1 = 0 THEN 1 END), min(CASE WHEN 1 = 0 THEN concat(lpad(80 - char_length(left(CONVERT(f.`reserves` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`reserves` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END)
FROM `site`.`budget` AS f LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM `council`
WHERE `id` IS NOT NULL) AS m ON m.`key` = f.`council_id` GROUP BY f.`year`, m.`m0`
