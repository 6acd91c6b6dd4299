"""STILTS over JDBC: a table read by SQL, statistics, a match of two queries, VOTable out."""

import glob
import subprocess

from ask import DATABASE, HOST, PORT, USER, ask

(DRIVER,) = glob.glob("/usr/share/java/postgresql.jar")


def stilts(*arguments):
    done = subprocess.run(
        ["stilts", "-classpath", DRIVER, "-Djdbc.drivers=org.postgresql.Driver", "-Duser.timezone=UTC", *arguments],
        capture_output=True, text=True, timeout=100,
    )
    if done.returncode:
        return [line for line in done.stderr.splitlines() if line.strip()][:3]
    # The name of the table is its address, and a VOTable says when it was written.
    lines = (line.replace(f"{HOST}:{PORT}", "server") for line in done.stdout.splitlines())
    return [line for line in lines if not line.startswith(" !  at ")]


def table(sql):
    return f"jdbc:postgresql://{HOST}:{PORT}/{DATABASE}?user={USER}#{sql}"


ask("as CSV", stilts, "tpipe", f"in={table('SELECT * FROM stars ORDER BY id LIMIT 40')}", "ofmt=csv")
ask("columns", stilts, "tpipe", f"in={table('SELECT id, ra, mags, flag, moment, name FROM stars')}", "omode=meta")
ask("statistics", stilts, "tpipe", f"in={table('SELECT ra, dec, mag FROM survey.detections ORDER BY mjd, star_id')}", "omode=stats")
ask("by JDBC's own client", stilts, "sqlclient", f"db=jdbc:postgresql://{HOST}:{PORT}/{DATABASE}", f"user={USER}",
    "sql=SELECT band, count(*) AS n FROM survey.detections GROUP BY band ORDER BY band", "ofmt=csv")
ask("match", stilts, "tmatch2", "matcher=sky", "params=600", "values1=ra dec", "values2=ra dec", "omode=count",
    f"in1={table('SELECT ra, dec FROM stars')}", f"in2={table('SELECT ra, dec FROM survey.detections')}", "progress=none")
ask("as VOTable", stilts, "tpipe", f"in={table('SELECT id, ra, name FROM stars ORDER BY id LIMIT 3')}", "ofmt=votable-tabledata")
