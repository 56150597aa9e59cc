-- A small shop: people with what nobody should see unmasked, products, and orders. 201 000 rows from arithmetic
-- alone, so that every demo holds the same shop. Nobody in it exists: e-mail domains are reserved (RFC 2606),
-- phone numbers are set aside for fiction (555-01xx), card numbers are test prefixes with valid check digits.

CREATE TABLE people (
    id         integer PRIMARY KEY,
    name       text NOT NULL,
    email      text NOT NULL UNIQUE,
    phone      text NOT NULL,
    card       text NOT NULL,
    city       text NOT NULL,
    joined_at  timestamptz NOT NULL
);

CREATE TABLE products (
    id     integer PRIMARY KEY,
    name   text NOT NULL,
    price  numeric(8, 2) NOT NULL
);

CREATE TABLE orders (
    id          integer PRIMARY KEY,
    person_id   integer NOT NULL,
    product_id  integer NOT NULL,
    quantity    integer NOT NULL,
    total       numeric(10, 2) NOT NULL,
    status      text NOT NULL,
    ordered_at  timestamptz NOT NULL
);

-- The check digit of ISO/IEC 7812-1 (Luhn): from the right, every other digit counts double, less nine above nine.
CREATE FUNCTION luhn(digits text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT digits || ((10 - sum(
        CASE WHEN place % 2 = 0 THEN digit
             WHEN digit > 4 THEN 2 * digit - 9
             ELSE 2 * digit END) % 10) % 10)::text
    FROM (SELECT place, substr(reverse(digits), place, 1)::integer AS digit
          FROM generate_series(1, length(digits)) AS place) AS reversed
$$;

WITH names AS (
    SELECT ARRAY['Ada','Bela','Chiara','Dmitri','Elif','Farah','Goran','Hana','Ines','Jonas','Kenji','Leila',
                 'Mara','Nils','Olga','Priya','Quentin','Rosa','Sven','Tomas','Uma','Vera','Wanda','Yusuf','Zoe'] AS first,
           ARRAY['Albrecht','Bianchi','Costa','Dubois','Eriksen','Fischer','Garcia','Horvat','Ito','Jansen','Kowalski',
                 'Lindberg','Moreau','Novak','Okafor','Petrov','Quiroga','Rossi','Silva','Tanaka','Ulrich','Varga',
                 'Weber','Yilmaz','Zhang'] AS last,
           ARRAY['Berlin','Bern','Lisbon','Ljubljana','Lyon','Oslo','Porto','Riga','Tartu','Turin','Utrecht','Vienna'] AS city
)
INSERT INTO people
SELECT n,
       first_name || ' ' || last_name,
       lower(first_name || '.' || last_name) || n || '@example.' || (ARRAY['com', 'net', 'org'])[n % 3 + 1],
       '+1-' || (200 + n * 7 % 800) || '-555-01' || lpad((n * 13 % 100)::text, 2, '0'),
       luhn((ARRAY['411111', '555555', '222300'])[n % 3 + 1] || lpad((n::bigint * 7919 % 1000000000)::text, 9, '0')),
       city[n % array_length(city, 1) + 1],
       timestamptz '2023-01-01 00:00:00+00' + n * interval '25 minutes'
FROM names,
     generate_series(1, 50000) AS n,
     LATERAL (SELECT first[n % 25 + 1] AS first_name, last[n / 25 % 25 + 1] AS last_name) AS who;

INSERT INTO products
SELECT n,
       (ARRAY['oak','steel','linen','glass','copper','wool','cork','clay','paper','walnut'])[n % 10 + 1] || ' ' ||
       (ARRAY['chair','lamp','kettle','shelf','blanket','notebook','bowl','clock','table','basket'])[n / 10 % 10 + 1] ||
       ' no. ' || (n / 100 + 1),
       (n * 37 % 19900 + 100) / 100.0
FROM generate_series(1, 1000) AS n;

INSERT INTO orders
SELECT n, n::bigint * 7907 % 50000 + 1, p.id, quantity, quantity * p.price,
       (ARRAY['paid', 'paid', 'shipped', 'shipped', 'shipped', 'returned', 'open'])[n % 7 + 1],
       timestamptz '2025-01-01 00:00:00+00' + n * interval '3 minutes'
FROM generate_series(1, 150000) AS n,
     LATERAL (SELECT (n::bigint * 613 % 1000 + 1)::integer AS id) AS chosen
     JOIN products AS p USING (id),
     LATERAL (SELECT n % 4 + 1 AS quantity) AS how_many;

ALTER TABLE orders
    ADD FOREIGN KEY (person_id) REFERENCES people,
    ADD FOREIGN KEY (product_id) REFERENCES products;
CREATE INDEX ON orders (person_id);
CREATE INDEX ON orders (ordered_at);
DROP FUNCTION luhn(text);
