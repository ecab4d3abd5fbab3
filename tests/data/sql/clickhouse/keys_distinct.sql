SELECT toString(`d`.`k`) AS `toString_1`
FROM (SELECT DISTINCT `field_id` AS `k`
FROM `figure`
WHERE `field_id` IS NOT NULL) AS `d` ORDER BY `d`.`k`
