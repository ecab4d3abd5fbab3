SELECT toString(`f`.`year`) AS `toString_1`, `m`.`m0`, count(`f`.`debt`), count(*) FILTER (WHERE 1 = 0), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`debt`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`debt`), 1, 80)))) FILTER (WHERE 1 = 0), count(`f`.`reserves`), count(*) FILTER (WHERE 1 = 0), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`reserves`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`reserves`), 1, 80)))) FILTER (WHERE 1 = 0)
FROM `site`.`budget` AS `f` LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS `m0`
FROM `council`
WHERE `id` IS NOT NULL) AS `m` ON `m`.`key` = `f`.`council_id` GROUP BY `f`.`year`, `m`.`m0`
