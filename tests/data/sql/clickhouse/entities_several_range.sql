SELECT toString(`p`.`entity`) AS `toString_1`, toString(`p`.`period`) AS `toString_2`, `m`.`m0`, `p`.`c0`, `p`.`x0`, `p`.`c1`, `p`.`x1`, `p`.`c2`, `p`.`x2`
FROM (SELECT `f`.`council_id` AS `entity`, `f`.`year` AS `period`, sumOrNull(toDecimal256(`f`.`debt`, 2)) AS `c0`, NULL AS `x0`, sumOrNull(toDecimal256(`f`.`population`, 2)) AS `c1`, NULL AS `x1`, sumOrNull(toDecimal256(`f`.`reserves`, 2)) AS `c2`, NULL AS `x2`
FROM `site`.`budget` AS `f`
WHERE (`f`.`council_id` > '3' AND `f`.`council_id` <= '8') GROUP BY `f`.`council_id`, `f`.`year`) AS `p` LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END AS `m0`
FROM `council`
WHERE `id` IS NOT NULL) AS `m` ON `m`.`key` = `p`.`entity`
