# docker build -t qebench . && docker run --rm -v "$PWD/results:/opt/qebench/results" qebench
# For Apptainer, see docs/cluster.md.
FROM python:3.11-slim

# git: the commit in the provenance of results; make: the commands of the README
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/qebench
COPY . .
RUN git config --system --add safe.directory /opt/qebench && make setup

ENV PATH=/opt/qebench/.venv/bin:$PATH
CMD ["snakemake", "--cores", "all", "results/table2.csv"]
