SELECT CAST(d."k" AS TEXT) AS "d.""k"""
FROM (SELECT DISTINCT "field_id" AS k
FROM "figure"
WHERE "field_id" IS NOT NULL) AS d ORDER BY d."k"
