/// @file
/// libcurl: its easy interface or, if compiled with CURL_PEER_MULTI, its multi interface.

#include <curl/curl.h>
#include <memory>
#include <string>
#include <vector>

#include "peer.hpp"

namespace {

#ifdef CURL_PEER_MULTI
constexpr bool multi = true;
#else
constexpr bool multi = false;
#endif

std::size_t keep(char* bytes, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(bytes, size * count);
  return size * count;
}

/// An easy handle and its state.
class Transfer {
 public:
  explicit Transfer(const peer::Task& task) : task_(task), upload_(task.upload, 'x') {
    set(CURLOPT_URL, task.url.c_str());
    set(CURLOPT_WRITEFUNCTION, keep);
    set(CURLOPT_WRITEDATA, &body_);
    set(CURLOPT_PRIVATE, this);
    if (task.secure) set(CURLOPT_CAINFO, task.ca.c_str());
    if (task.fresh) {
      set(CURLOPT_FRESH_CONNECT, 1L);
      set(CURLOPT_FORBID_REUSE, 1L);
    }
    if (!task.resume) set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (!task.upload) return;
    headers_ = curl_slist_append(nullptr, "Expect:");
    set(CURLOPT_HTTPHEADER, headers_);
    set(CURLOPT_POSTFIELDS, upload_.data());
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(upload_.size()));
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(handle_);
    curl_slist_free_all(headers_);
  }

  CURL* handle() { return handle_; }
  void begin() {
    body_.clear();
    begin_ = peer::Clock::now();
  }
  void end(CURLcode result, peer::Stopwatch& stopwatch) {
    peer::check(result == CURLE_OK, curl_easy_strerror(result));
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    peer::check_response(task_, static_cast<int>(status), body_.size());
    stopwatch.took(begin_);
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    peer::check(curl_easy_setopt(handle_, option, value) == CURLE_OK, "an option is not known");
  }

  const peer::Task& task_;
  CURL* handle_ = curl_easy_init();
  curl_slist* headers_ = nullptr;
  std::string upload_;
  std::string body_;
  peer::Clock::time_point begin_;
};

class Curl {
 public:
  explicit Curl(const peer::Task& task) : task_(task) {
    if (!multi && task.concurrency > 1) throw peer::Unsupported();
    for (std::size_t i = 0; i < task.concurrency; ++i)
      transfers_.push_back(std::make_unique<Transfer>(task_));
    if (!multi) return;
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(task.concurrency));
  }
  ~Curl() {
    transfers_.clear();
    if (multi_) curl_multi_cleanup(multi_);
  }

  void run(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    if (multi) return run_many(requests, stopwatch);
    Transfer& transfer = *transfers_.front();
    for (std::uint64_t i = 0; i < requests; ++i) {
      transfer.begin();
      transfer.end(curl_easy_perform(transfer.handle()), stopwatch);
    }
  }

 private:
  void run_many(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    std::uint64_t unsent = requests;
    const auto start = [&](Transfer& transfer) {
      --unsent;
      transfer.begin();
      curl_multi_add_handle(multi_, transfer.handle());
    };
    for (auto& transfer : transfers_)
      if (unsent > 0) start(*transfer);
    for (std::uint64_t done = 0; done < requests;) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      int left = 0;
      bool any = false;
      while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        Transfer* transfer = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        const CURLcode result = message->data.result;
        curl_multi_remove_handle(multi_, transfer->handle());
        transfer->end(result, stopwatch);
        any = true;
        ++done;
        if (unsent > 0) start(*transfer);
      }
      if (!any && done < requests) curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
    }
  }

  const peer::Task task_;
  std::vector<std::unique_ptr<Transfer>> transfers_;
  CURLM* multi_ = nullptr;
};

}  // namespace

int main(int count, char** arguments) { return peer::main<Curl>(count, arguments); }
