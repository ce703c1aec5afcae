"""What is measured and published: plug-ins for metrics, tables and figures; published and measured numbers; studies."""
