#include "server/cri/metric_rows.h"

namespace gantry::cri {
namespace {

using runtime::v1::COUNTER;
using Subject = MetricSubject;
using Add = AddMetric;

// Traffic of a pod with itself is nobody's traffic.
void AddPerLink(const Subject& subject, uint64_t net::LinkStats::*counter,
                const Add& add) {
  if (!subject.pod.links.has_value()) return;
  for (const net::LinkStats& link : *subject.pod.links) {
    if (!link.loopback) add(link.*counter, {link.name});
  }
}

}  // namespace

const std::vector<MetricRow>& NetworkRows() {
  static const auto* const rows = new std::vector<MetricRow>{
      {"container_network_receive_bytes_total",
       "Bytes received.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::rx_bytes, add);
       }},
      {"container_network_receive_packets_total",
       "Packets received.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::rx_packets, add);
       }},
      {"container_network_receive_packets_dropped_total",
       "Packets dropped on receiving.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::rx_dropped, add);
       }},
      {"container_network_receive_errors_total",
       "Errors on receiving.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::rx_errors, add);
       }},
      {"container_network_transmit_bytes_total",
       "Bytes sent.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::tx_bytes, add);
       }},
      {"container_network_transmit_packets_total",
       "Packets sent.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::tx_packets, add);
       }},
      {"container_network_transmit_packets_dropped_total",
       "Packets dropped on sending.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::tx_dropped, add);
       }},
      {"container_network_transmit_errors_total",
       "Errors on sending.",
       COUNTER,
       {"interface"},
       [](const Subject& s, const Add& add) {
         AddPerLink(s, &net::LinkStats::tx_errors, add);
       }},
  };
  return *rows;
}

}  // namespace gantry::cri
