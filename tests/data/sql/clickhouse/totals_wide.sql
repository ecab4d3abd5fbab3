SELECT toString(`f`.`year`) AS `toString_1`, `m`.`m0`, sum(toDecimal256(`f`.`debt`, 2)), count(`f`.`debt`), NULL, sum(toDecimal256(`f`.`reserves`, 2)), count(`f`.`reserves`), NULL
FROM `site`.`budget` AS `f` LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS `m0`
FROM `council`
WHERE `id` IS NOT NULL) AS `m` ON `m`.`key` = `f`.`council_id` GROUP BY `f`.`year`, `m`.`m0`
