SELECT toString(`f`.`year_id`) AS `toString_1`, `m`.`m0`, count(`f`.`value`) FILTER (WHERE `f`.`field_id` = '7'), count(*) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '7'), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`value`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`value`), 1, 80)))) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '7'), count(`f`.`value`) FILTER (WHERE `f`.`field_id` = '9'), count(*) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '9'), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`value`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`value`), 1, 80)))) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '9')
FROM `figure` AS `f` LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS `m0`
FROM `council`
WHERE `id` IS NOT NULL) AS `m` ON `m`.`key` = `f`.`council_id`
WHERE `f`.`field_id` IN ('7', '9') GROUP BY `f`.`year_id`, `m`.`m0`
