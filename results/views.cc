// The views of schema version 1: what pandas, DuckDB or the sqlite3 shell need to use a store
// alone. A cell that was not measured has no row in r_matrix, and an average that needs it is NULL,
// never 0.
#include "results/schema.h"

namespace lethe {

// final_metrics, with T tasks, for the tasks j that are measured by the metric:
//   final_average     = mean_j R[T][j]
//   learning_accuracy = mean_j R[j][j]
//   backward_transfer = mean_{j<T} R[T][j] - R[j][j]   (Lopez-Paz & Ranzato 2017, arXiv:1706.08840)
const char* const view_sql = R"sql(
CREATE VIEW newest_build AS
SELECT build FROM trial ORDER BY ended_at IS NULL, ended_at DESC, id DESC LIMIT 1;

CREATE VIEW r_matrix AS
SELECT e.trial, t.method, t.seed, e.after_task, e.on_task, e.task, e.metric,
       e.sum * 1.0 / e.total AS score
FROM evaluation AS e JOIN trial AS t ON t.id = e.trial
WHERE e.within_task = 0;

CREATE VIEW final_metrics AS
WITH tasks AS (SELECT trial, max(position) AS last FROM task GROUP BY trial),
cell AS (
  SELECT r.trial, r.metric, r.on_task, tasks.last,
         max(r.score) FILTER (WHERE r.after_task = tasks.last) AS final,
         max(r.score) FILTER (WHERE r.after_task = r.on_task) AS learned
  FROM r_matrix AS r JOIN tasks ON tasks.trial = r.trial
  WHERE r.on_task >= 1
  GROUP BY r.trial, r.metric, r.on_task, tasks.last)
SELECT trial, metric,
       CASE WHEN count(final) = count(*) THEN avg(final) END AS final_average,
       CASE WHEN count(learned) = count(*) THEN avg(learned) END AS learning_accuracy,
       CASE WHEN count(final - learned) FILTER (WHERE on_task < last) = sum(on_task < last)
            THEN avg(final - learned) FILTER (WHERE on_task < last) END AS backward_transfer
FROM cell
GROUP BY trial, metric;

CREATE VIEW comparison AS
SELECT s.name AS sweep, t.stream, t.model, s.label, f.metric, t.build, t.device_class,
       count(*) AS n,
       CASE WHEN count(f.final_average) = count(*)
            THEN avg(f.final_average) END AS final_average,
       CASE WHEN count(f.learning_accuracy) = count(*)
            THEN avg(f.learning_accuracy) END AS learning_accuracy,
       CASE WHEN count(f.backward_transfer) = count(*)
            THEN avg(f.backward_transfer) END AS backward_transfer
FROM sweep AS s
JOIN trial AS t ON t.id = s.trial AND t.status = 'done'
JOIN newest_build AS newest ON newest.build = t.build
JOIN final_metrics AS f ON f.trial = t.id
GROUP BY s.name, t.stream, t.model, s.label, f.metric, t.build, t.device_class
ORDER BY s.name, t.stream, t.model, t.device_class, min(s.position), s.label, f.metric;
)sql";

}  // namespace lethe
