-- Which roles have the rights of which others too.
SELECT role_oid AS roleid,
       member_oid AS member,
       10::oid AS grantor,
       false AS admin_option
FROM source.members
