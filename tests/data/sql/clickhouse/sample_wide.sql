SELECT count(`f`.`debt`), count(*) FILTER (WHERE 1 = 0), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`debt`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`debt`), 1, 80)))) FILTER (WHERE 1 = 0), count(`f`.`reserves`), count(*) FILTER (WHERE 1 = 0), min(concat(leftPad(toString(80 - least(lengthUTF8(substringUTF8(toString(`f`.`reserves`), 1, 80)), 80)), 3, '0'), ' ', hex(substringUTF8(toString(`f`.`council_id`), 1, 80)), ' ', hex(substringUTF8(toString(`f`.`reserves`), 1, 80)))) FILTER (WHERE 1 = 0)
FROM (SELECT `f`.`council_id`, `f`.`debt`, `f`.`reserves`, `f`.`year`
FROM `site`.`budget` AS `f`
 LIMIT 10000) AS `f`
