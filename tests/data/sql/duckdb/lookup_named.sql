SELECT CAST("id" AS TEXT) AS """id""", CAST("label" AS TEXT) AS """label"""
FROM "site"."year"
WHERE "label" IS NOT NULL AND (
lang = 'en'
) AND "id" IN ('1', 'b''', '2.5')
