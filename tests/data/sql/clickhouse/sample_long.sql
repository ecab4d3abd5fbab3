SELECT count(`f`.`value`) FILTER (WHERE `f`.`field_id` = '7'), count(*) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '7'), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`value`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`value`), 1, 80)))) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '7'), count(`f`.`value`) FILTER (WHERE `f`.`field_id` = '9'), count(*) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '9'), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`value`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`value`), 1, 80)))) FILTER (WHERE 1 = 0 AND `f`.`field_id` = '9')
FROM (SELECT `f`.`council_id`, `f`.`field_id`, `f`.`value`, `f`.`year_id`
FROM `figure` AS `f`
 LIMIT 10000) AS `f`
WHERE `f`.`field_id` IN ('7', '9')
