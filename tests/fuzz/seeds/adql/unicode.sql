SELECT 'été', "Größe" FROM "☆" /* nested /* comment */ */ WHERE 1=1
