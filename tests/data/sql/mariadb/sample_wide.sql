SELECT count(f.`debt`), count(CASE WHEN 1 = 0 THEN 1 END), min(CASE WHEN 1 = 0 THEN concat(lpad(80 - char_length(left(CONVERT(f.`debt` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`debt` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END), count(f.`reserves`), count(CASE WHEN 1 = 0 THEN 1 END), min(CASE WHEN 1 = 0 THEN concat(lpad(80 - char_length(left(CONVERT(f.`reserves` USING utf8mb4) COLLATE utf8mb4_bin, 80)), 3, '0'), ' ', hex(left(CONVERT(f.`council_id` USING utf8mb4) COLLATE utf8mb4_bin, 80)), ' ', hex(left(CONVERT(f.`reserves` USING utf8mb4) COLLATE utf8mb4_bin, 80))) END)
FROM (SELECT f.`council_id`, f.`debt`, f.`reserves`, f.`year`
FROM `site`.`budget` AS f
 LIMIT 10000) AS f
