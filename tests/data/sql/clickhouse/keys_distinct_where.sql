SELECT toString(`d`.`k`) AS `toString_1`
FROM (SELECT DISTINCT `region` AS `k`
FROM `council`
WHERE `region` IS NOT NULL AND (
region = 'North' -- as the site has it
)
 LIMIT 1001) AS `d` ORDER BY `d`.`k`
