SELECT max(r) AS max_1
FROM (SELECT rowid AS r
FROM "figure"
WHERE rowid > 7 ORDER BY rowid
 LIMIT 50000 OFFSET 0) AS a
