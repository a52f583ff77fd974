// Linux's trace events by system, as `include/trace/events` and tracefs have them (6.1 to 6.18, x86-64). BTF holds an event's
// record layout (struct trace_event_raw_CLASS) and arguments (typedef btf_trace_EVENT), but neither its system nor its class:
// those are here. `event` is its own class; `class(event event)` are events that share the record of a class. An event that
// changed its class is listed under both; the kernel at hand decides. Left out: events of xfs and kvm.

/** System -> its events, in the notation above. */
export const EVENTS: Readonly<Record<string, string>> = {
  alarmtimer: `alarmtimer_suspend alarm_class(alarmtimer_cancel alarmtimer_fired alarmtimer_start)`,
  amd_cpu: `amd_pstate_epp_perf amd_pstate_perf`,
  avc: `selinux_audited`,
  block: `blkdev_zone_mgmt block_bio_complete block_bio_remap block_plug block_rq_remap block_rq_requeue block_split
    block_unplug block_bio(block_bio_backmerge block_bio_bounce block_bio_frontmerge block_bio_queue block_getrq)
    block_buffer(block_dirty_buffer block_touch_buffer) block_rq(blk_zone_append_update_request_bio block_io_done
    block_io_start block_rq_insert block_rq_issue block_rq_merge) block_rq_completion(block_rq_complete
    block_rq_error) block_zwplug(blk_zone_wplug_bio disk_zone_wplug_add_bio)`,
  bpf_test_run: `bpf_test_finish bpf_trigger_tp`,
  bpf_trace: `bpf_trace_printk`,
  bridge: `br_fdb_add br_fdb_external_learn_add br_fdb_update br_mdb_full fdb_delete`,
  btrfs: `btrfs_add_block_group btrfs_alloc_extent_state btrfs_clear_extent_bit btrfs_convert_extent_bit
    btrfs_cow_block btrfs_extent_map_shrinker_count btrfs_extent_map_shrinker_remove_em
    btrfs_extent_map_shrinker_scan_enter btrfs_extent_map_shrinker_scan_exit btrfs_failed_cluster_setup
    btrfs_find_cluster btrfs_find_free_extent btrfs_find_free_extent_have_block_group
    btrfs_find_free_extent_search_loop btrfs_finish_ordered_extent btrfs_flush_space btrfs_free_extent_state
    btrfs_get_extent btrfs_get_raid_extent_offset btrfs_handle_em_exist btrfs_inode_mod_outstanding_extents
    btrfs_insert_one_raid_extent btrfs_qgroup_account_extent btrfs_qgroup_meta_convert
    btrfs_qgroup_meta_free_all_pertrans btrfs_qgroup_meta_reserve btrfs_qgroup_num_dirty_extents
    btrfs_qgroup_update_counters btrfs_qgroup_update_reserve btrfs_raid_extent_delete btrfs_reserve_ticket
    btrfs_set_extent_bit btrfs_setup_cluster btrfs_space_reservation btrfs_sync_file btrfs_sync_fs
    btrfs_transaction_commit btrfs_trigger_flush btrfs_writepage_end_io_hook
    btrfs__block_group(btrfs_add_reclaim_block_group btrfs_add_unused_block_group btrfs_reclaim_block_group
    btrfs_remove_block_group btrfs_skip_unused_block_group) btrfs__chunk(btrfs_chunk_alloc btrfs_chunk_free)
    btrfs__file_extent_item_inline(btrfs_get_extent_show_fi_inline btrfs_truncate_show_fi_inline)
    btrfs__file_extent_item_regular(btrfs_get_extent_show_fi_regular btrfs_truncate_show_fi_regular)
    btrfs__inode(btrfs_inode_evict btrfs_inode_new btrfs_inode_request)
    btrfs__ordered_extent(btrfs_ordered_extent_add btrfs_ordered_extent_dec_test_pending btrfs_ordered_extent_lookup
    btrfs_ordered_extent_lookup_first btrfs_ordered_extent_lookup_first_range
    btrfs_ordered_extent_lookup_for_logging btrfs_ordered_extent_lookup_range btrfs_ordered_extent_mark_finished
    btrfs_ordered_extent_put btrfs_ordered_extent_remove btrfs_ordered_extent_split btrfs_ordered_extent_start)
    btrfs__prelim_ref(btrfs_prelim_ref_insert btrfs_prelim_ref_merge)
    btrfs__qgroup_rsv_data(btrfs_qgroup_release_data btrfs_qgroup_reserve_data)
    btrfs__reserve_extent(btrfs_reserve_extent btrfs_reserve_extent_cluster)
    btrfs__reserved_extent(btrfs_reserved_extent_alloc btrfs_reserved_extent_free)
    btrfs__space_info_update(update_bytes_may_use update_bytes_pinned update_bytes_zone_unusable)
    btrfs__work(btrfs_ordered_sched btrfs_work_queued btrfs_work_sched) btrfs__work__done(btrfs_all_work_done)
    btrfs__writepage(extent_writepage) btrfs_delayed_data_ref(add_delayed_data_ref run_delayed_data_ref)
    btrfs_delayed_ref_head(add_delayed_ref_head run_delayed_ref_head) btrfs_delayed_tree_ref(add_delayed_tree_ref
    run_delayed_tree_ref) btrfs_dump_space_info(btrfs_done_preemptive_reclaim btrfs_fail_all_tickets)
    btrfs_locking_events(btrfs_tree_read_unlock btrfs_tree_unlock btrfs_try_tree_read_lock)
    btrfs_qgroup_extent(btrfs_qgroup_account_extents btrfs_qgroup_trace_extent) btrfs_raid56_bio(raid56_read
    raid56_write) btrfs_sleep_tree_lock(btrfs_tree_lock btrfs_tree_read_lock) btrfs_workqueue(btrfs_workqueue_alloc)
    btrfs_workqueue_done(btrfs_workqueue_destroy)`,
  capability: `cap_capable`,
  cgroup: `cgroup(cgroup_freeze cgroup_mkdir cgroup_release cgroup_rename cgroup_rmdir cgroup_unfreeze)
    cgroup_event(cgroup_notify_frozen cgroup_notify_populated) cgroup_migrate(cgroup_attach_task
    cgroup_transfer_tasks) cgroup_root(cgroup_destroy_root cgroup_remount cgroup_setup_root)
    cgroup_rstat(cgroup_rstat_cpu_lock_contended cgroup_rstat_cpu_lock_contended_fastpath cgroup_rstat_cpu_locked
    cgroup_rstat_cpu_locked_fastpath cgroup_rstat_cpu_unlock cgroup_rstat_cpu_unlock_fastpath
    cgroup_rstat_lock_contended cgroup_rstat_locked cgroup_rstat_unlock)`,
  clk: `clk(clk_disable clk_disable_complete clk_enable clk_enable_complete clk_prepare clk_prepare_complete
    clk_unprepare clk_unprepare_complete) clk_duty_cycle(clk_set_duty_cycle clk_set_duty_cycle_complete)
    clk_parent(clk_set_parent clk_set_parent_complete) clk_phase(clk_set_phase clk_set_phase_complete)
    clk_rate(clk_set_max_rate clk_set_min_rate clk_set_rate clk_set_rate_complete)
    clk_rate_range(clk_set_rate_range) clk_rate_request(clk_rate_request_done clk_rate_request_start)`,
  compaction: `mm_compaction_begin mm_compaction_end mm_compaction_kcompactd_sleep mm_compaction_migratepages
    mm_compaction_try_to_compact_pages kcompactd_wake_template(mm_compaction_kcompactd_wake
    mm_compaction_wakeup_kcompactd) mm_compaction_defer_template(mm_compaction_defer_compaction
    mm_compaction_defer_reset mm_compaction_deferred)
    mm_compaction_isolate_template(mm_compaction_fast_isolate_freepages mm_compaction_isolate_freepages
    mm_compaction_isolate_migratepages) mm_compaction_suitable_template(mm_compaction_finished
    mm_compaction_suitable)`,
  context_tracking: `context_tracking_user(user_enter user_exit)`,
  cpuhp: `cpuhp_enter cpuhp_exit cpuhp_multi_enter`,
  cros_ec: `cros_ec_request_done cros_ec_request_start`,
  csd: `csd_queue_cpu csd_function(csd_function_entry csd_function_exit)`,
  cxl: `cxl_aer_correctable_error cxl_aer_uncorrectable_error cxl_dram cxl_general_media cxl_generic_event
    cxl_memory_module cxl_overflow cxl_poison`,
  damon: `damon_aggregated damon_monitor_intervals_tune damos_before_apply damos_esz`,
  dev: `devres(devres_log)`,
  devfreq: `devfreq_frequency devfreq_monitor`,
  devlink: `devlink_health_recover_aborted devlink_health_report devlink_health_reporter_state_update devlink_hwerr
    devlink_hwmsg devlink_trap_report`,
  dma: `dma_alloc_sgt dma_free_sgt dma_map_sg dma_map_sg_err dma_unmap_sg dma_alloc_class(dma_alloc dma_alloc_pages
    dma_alloc_sgt_err) dma_free_class(dma_free dma_free_pages) dma_map(dma_map_page dma_map_phys dma_map_resource)
    dma_sync_sg(dma_sync_sg_for_cpu dma_sync_sg_for_device) dma_sync_single(dma_sync_single_for_cpu
    dma_sync_single_for_device) dma_unmap(dma_unmap_page dma_unmap_phys dma_unmap_resource)`,
  dma_fence: `dma_fence(dma_fence_destroy dma_fence_emit dma_fence_enable_signal dma_fence_init dma_fence_signaled
    dma_fence_wait_end dma_fence_wait_start)`,
  erofs: `erofs_fill_inode erofs_lookup erofs_map_blocks_enter erofs_map_blocks_exit erofs_read_folio
    erofs_readahead`,
  error_report: `error_report_template(error_report_end)`,
  exceptions: `exceptions(page_fault_kernel page_fault_user) x86_exceptions(page_fault_kernel page_fault_user)`,
  ext4: `ext4_alloc_da_blocks ext4_allocate_blocks ext4_allocate_inode ext4_begin_ordered_truncate
    ext4_collapse_range ext4_da_release_space ext4_da_reserve_space ext4_da_update_reserve_space
    ext4_da_write_folios_end ext4_da_write_folios_start ext4_da_write_pages_extent ext4_discard_blocks
    ext4_discard_preallocations ext4_drop_inode ext4_error ext4_es_find_extent_range_enter
    ext4_es_find_extent_range_exit ext4_es_insert_delayed_extent ext4_es_lookup_extent_enter
    ext4_es_lookup_extent_exit ext4_es_remove_extent ext4_es_shrink ext4_es_shrink_scan_exit ext4_evict_inode
    ext4_ext_convert_to_initialized_enter ext4_ext_convert_to_initialized_fastpath ext4_ext_handle_unwritten_extents
    ext4_ext_load_extent ext4_ext_remove_space ext4_ext_remove_space_done ext4_ext_rm_idx ext4_ext_rm_leaf
    ext4_ext_show_extent ext4_fallocate_exit ext4_fc_cleanup ext4_fc_commit_start ext4_fc_commit_stop ext4_fc_replay
    ext4_fc_replay_scan ext4_fc_stats ext4_fc_track_inode ext4_fc_track_range ext4_forget ext4_free_blocks
    ext4_free_inode ext4_get_implied_cluster_alloc_exit ext4_insert_range ext4_journal_start_inode
    ext4_journal_start_reserved ext4_journal_start_sb ext4_lazy_itable_init ext4_load_inode ext4_mark_inode_dirty
    ext4_mb_discard_preallocations ext4_mb_release_group_pa ext4_mb_release_inode_pa ext4_mballoc_alloc
    ext4_mballoc_prealloc ext4_nfs_commit_metadata ext4_other_inode_update_time ext4_prefetch_bitmaps
    ext4_read_block_bitmap_load ext4_remove_blocks ext4_request_blocks ext4_request_inode ext4_shutdown
    ext4_sync_file_enter ext4_sync_file_exit ext4_sync_fs ext4_unlink_enter ext4_unlink_exit ext4_update_sb
    ext4_writepages ext4_writepages_result ext4__bitmap_load(ext4_load_inode_bitmap ext4_mb_bitmap_load
    ext4_mb_buddy_bitmap_load) ext4__es_extent(ext4_es_cache_extent ext4_es_insert_extent)
    ext4__es_shrink_enter(ext4_es_shrink_count ext4_es_shrink_scan_enter) ext4__fallocate_mode(ext4_fallocate_enter
    ext4_punch_hole ext4_zero_range) ext4__folio_op(ext4_read_folio ext4_release_folio)
    ext4__map_blocks_enter(ext4_ext_map_blocks_enter ext4_ind_map_blocks_enter)
    ext4__map_blocks_exit(ext4_ext_map_blocks_exit ext4_ind_map_blocks_exit) ext4__mb_new_pa(ext4_mb_new_group_pa
    ext4_mb_new_inode_pa) ext4__mballoc(ext4_mballoc_discard ext4_mballoc_free) ext4__trim(ext4_trim_all_free
    ext4_trim_extent) ext4__truncate(ext4_truncate_enter ext4_truncate_exit) ext4__write_begin(ext4_da_write_begin
    ext4_write_begin) ext4__write_end(ext4_da_write_end ext4_journalled_write_end ext4_write_end)
    ext4_fc_track_dentry(ext4_fc_track_create ext4_fc_track_link ext4_fc_track_unlink)
    ext4_fsmap_class(ext4_fsmap_high_key ext4_fsmap_low_key ext4_fsmap_mapping)
    ext4_getfsmap_class(ext4_getfsmap_high_key ext4_getfsmap_low_key ext4_getfsmap_mapping)
    ext4_invalidate_folio_op(ext4_invalidate_folio ext4_journalled_invalidate_folio)`,
  fib: `fib_table_lookup`,
  fib6: `fib6_table_lookup`,
  filelock: `generic_add_lease leases_conflict locks_get_lock_context filelock_lease(break_lease_block
    break_lease_noblock break_lease_unblock generic_delete_lease time_out_leases) filelock_lock(fcntl_setlk
    flock_lock_inode locks_remove_posix posix_lock_inode)`,
  filemap: `file_check_and_advance_wb_err filemap_set_wb_err mm_filemap_fault
    mm_filemap_op_page_cache(mm_filemap_add_to_page_cache mm_filemap_delete_from_page_cache)
    mm_filemap_op_page_cache_range(mm_filemap_get_pages mm_filemap_map_pages)`,
  fs_dax: `dax_insert_mapping dax_writeback_one dax_pmd_fault_class(dax_pmd_fault dax_pmd_fault_done)
    dax_pmd_insert_mapping_class(dax_pmd_insert_mapping) dax_pmd_load_hole_class(dax_pmd_load_hole
    dax_pmd_load_hole_fallback) dax_pte_fault_class(dax_insert_pfn_mkwrite dax_insert_pfn_mkwrite_no_entry
    dax_load_hole dax_pte_fault dax_pte_fault_done) dax_writeback_range_class(dax_writeback_range
    dax_writeback_range_done)`,
  fuse: `fuse_request_end fuse_request_send`,
  gpio: `gpio_direction gpio_value`,
  handshake: `handshake_complete tls_contenttype handshake_alert_class(tls_alert_recv tls_alert_send)
    handshake_error_class(handshake_cmd_accept_err handshake_cmd_done_err handshake_notify_err handshake_submit_err)
    handshake_event_class(handshake_cancel handshake_cancel_busy handshake_cancel_none handshake_destruct
    handshake_submit) handshake_fd_class(handshake_cmd_accept handshake_cmd_done)`,
  huge_memory: `mm_collapse_huge_page mm_collapse_huge_page_isolate mm_collapse_huge_page_swapin
    mm_khugepaged_collapse_file mm_khugepaged_scan_file mm_khugepaged_scan_pmd`,
  hugetlbfs: `hugetlbfs_alloc_inode hugetlbfs_fallocate hugetlbfs_setattr hugetlbfs__inode(hugetlbfs_evict_inode
    hugetlbfs_free_inode)`,
  hwmon: `hwmon_attr_show_string hwmon_attr_class(hwmon_attr_show hwmon_attr_store)`,
  hyperv: `hyperv_mmu_flush_tlb_multi hyperv_nested_flush_guest_mapping hyperv_nested_flush_guest_mapping_range
    hyperv_send_ipi_mask hyperv_send_ipi_one`,
  i2c: `i2c_read i2c_reply i2c_result i2c_write`,
  icmp: `icmp_send`,
  initcall: `initcall_finish initcall_level initcall_start`,
  intel_iommu: `prq_report qi_submit cache_tag_flush(cache_tag_flush_range cache_tag_flush_range_np)
    cache_tag_log(cache_tag_assign cache_tag_flush_all cache_tag_unassign)`,
  io_uring: `io_uring_complete io_uring_cqe_overflow io_uring_cqring_wait io_uring_create io_uring_defer
    io_uring_fail_link io_uring_file_get io_uring_link io_uring_local_work_run io_uring_poll_arm
    io_uring_queue_async_work io_uring_register io_uring_req_failed io_uring_short_write io_uring_submit_req
    io_uring_submit_sqe io_uring_task_add io_uring_task_work_run`,
  iocost: `iocost_ioc_vrate_adj iocost_iocg_forgive_debt iocg_inuse_update(iocost_inuse_adjust iocost_inuse_shortage
    iocost_inuse_transfer) iocost_iocg_state(iocost_iocg_activate iocost_iocg_idle)`,
  iomap: `iomap_add_to_ioend iomap_dio_complete iomap_dio_rw_begin iomap_iter iomap_writepage_map
    iomap_class(iomap_iter_dstmap iomap_iter_srcmap) iomap_range_class(iomap_dio_invalidate_fail iomap_dio_rw_queued
    iomap_invalidate_folio iomap_release_folio iomap_writeback_folio iomap_writepage iomap_zero_iter)
    iomap_readpage_class(iomap_readahead iomap_readpage) iomap_class(iomap_writepage_map)`,
  iommu: `map unmap iommu_device_event(attach_device_to_domain detach_device_from_domain) iommu_error(io_page_fault)
    iommu_group_event(add_device_to_group remove_device_from_group)`,
  ipi: `ipi_raise ipi_send_cpu ipi_send_cpumask ipi_handler(ipi_entry ipi_exit)`,
  irq: `irq_handler_entry irq_handler_exit softirq(softirq_entry softirq_exit softirq_raise) tasklet(tasklet_entry
    tasklet_exit)`,
  irq_matrix: `irq_matrix_cpu(irq_matrix_alloc irq_matrix_alloc_managed irq_matrix_alloc_reserved irq_matrix_assign
    irq_matrix_free irq_matrix_remove_managed irq_matrix_reserve_managed) irq_matrix_global(irq_matrix_offline
    irq_matrix_online irq_matrix_remove_reserved irq_matrix_reserve)
    irq_matrix_global_update(irq_matrix_assign_system)`,
  irq_vectors: `vector_alloc vector_alloc_managed vector_config vector_free_moved vector_setup vector_teardown
    vector_activate(vector_activate vector_deactivate) vector_mod(vector_clear vector_update)
    vector_reserve(vector_reserve vector_reserve_managed) x86_irq_vector(call_function_entry call_function_exit
    call_function_single_entry call_function_single_exit deferred_error_apic_entry deferred_error_apic_exit
    error_apic_entry error_apic_exit irq_work_entry irq_work_exit local_timer_entry local_timer_exit
    reschedule_entry reschedule_exit spurious_apic_entry spurious_apic_exit thermal_apic_entry thermal_apic_exit
    threshold_apic_entry threshold_apic_exit x86_platform_ipi_entry x86_platform_ipi_exit)`,
  jbd2: `jbd2_checkpoint jbd2_checkpoint_stats jbd2_end_commit jbd2_handle_extend jbd2_handle_stats
    jbd2_lock_buffer_stall jbd2_run_stats jbd2_shrink_checkpoint_list jbd2_shrink_scan_exit jbd2_submit_inode_data
    jbd2_update_log_tail jbd2_write_superblock jbd2_commit(jbd2_commit_flushing jbd2_commit_locking
    jbd2_commit_logging jbd2_drop_transaction jbd2_start_commit) jbd2_handle_start_class(jbd2_handle_restart
    jbd2_handle_start) jbd2_journal_shrink(jbd2_shrink_count jbd2_shrink_scan_enter)`,
  kmem: `kfree kmalloc kmem_cache_alloc kmem_cache_free mm_alloc_contig_migrate_range_info
    mm_calculate_totalreserve_pages mm_page_alloc mm_page_alloc_extfrag mm_page_free mm_page_free_batched
    mm_page_pcpu_drain mm_setup_per_zone_lowmem_reserve mm_setup_per_zone_wmarks rss_stat
    mm_page(mm_page_alloc_zone_locked)`,
  ksm: `ksm_advisor ksm_merge_one_page ksm_merge_with_ksm_page ksm_remove_ksm_page ksm_remove_rmap_item
    ksm_enter_exit_template(ksm_enter ksm_exit) ksm_scan_template(ksm_start_scan ksm_stop_scan)`,
  kyber: `kyber_adjust kyber_latency kyber_throttled`,
  lock: `contention_begin contention_end`,
  maple_tree: `ma_op ma_read ma_write`,
  mce: `mce_record`,
  mei: `mei_pci_cfg_read mei_reg_read mei_reg_write`,
  memcg: `memcg_flush_stats memcg_rstat_events(count_memcg_events) memcg_rstat_stats(mod_memcg_lruvec_state
    mod_memcg_state)`,
  migrate: `mm_migrate_pages mm_migrate_pages_start migration_pte(remove_migration_pte set_migration_pte)`,
  mmap: `exit_mmap vm_unmapped_area vma_mas_szero vma_store`,
  mmap_lock: `mmap_lock_acquire_returned mmap_lock(mmap_lock_released mmap_lock_start_locking)`,
  module: `module_free module_load module_request module_refcnt(module_get module_put)`,
  mptcp: `ack_update_msk mptcp_subflow_get_send subflow_check_data_avail mptcp_dump_mpext(get_mapping_status
    mptcp_sendmsg_frag)`,
  msr: `msr_trace_class(rdpmc read_msr write_msr)`,
  napi: `dql_stall_detected napi_poll`,
  neigh: `neigh_create neigh_update neigh__update(neigh_cleanup_and_release neigh_event_send_dead
    neigh_event_send_done neigh_timer_handler neigh_update_done)`,
  net: `net_dev_start_xmit net_dev_xmit net_dev_xmit_timeout net_dev_rx_exit_template(napi_gro_frags_exit
    napi_gro_receive_exit netif_receive_skb_exit netif_receive_skb_list_exit netif_rx_exit)
    net_dev_rx_verbose_template(napi_gro_frags_entry napi_gro_receive_entry netif_receive_skb_entry
    netif_receive_skb_list_entry netif_rx_entry) net_dev_template(net_dev_queue netif_receive_skb netif_rx)`,
  netlink: `netlink_extack`,
  nmi: `nmi_handler`,
  notifier: `notifier_info(notifier_register notifier_run notifier_unregister)`,
  oom: `compact_retry finish_task_reaping mark_victim oom_score_adj_update reclaim_retry_zone skip_task_reaping
    start_task_reaping wake_reaper`,
  page_isolation: `test_pages_isolated`,
  page_pool: `page_pool_release page_pool_state_hold page_pool_state_release page_pool_update_nid`,
  pagemap: `mm_lru_activate mm_lru_insertion`,
  percpu: `percpu_alloc_percpu percpu_alloc_percpu_fail percpu_create_chunk percpu_destroy_chunk percpu_free_percpu`,
  power: `cpu_frequency_limits cpu_idle_miss device_pm_callback_end device_pm_callback_start guest_halt_poll_ns
    powernv_throttle pstate_sample suspend_resume clock(clock_disable clock_enable clock_set_rate) cpu(cpu_frequency
    cpu_idle) cpu_latency_qos_request(pm_qos_add_request pm_qos_remove_request pm_qos_update_request)
    dev_pm_qos_request(dev_pm_qos_add_request dev_pm_qos_remove_request dev_pm_qos_update_request)
    pm_qos_update(pm_qos_update_flags pm_qos_update_target) power_domain(power_domain_target)
    wakeup_source(wakeup_source_activate wakeup_source_deactivate)`,
  printk: `console`,
  pwm: `pwm(pwm_apply pwm_get)`,
  qdisc: `qdisc_create qdisc_dequeue qdisc_destroy qdisc_enqueue qdisc_reset`,
  ras: `aer_event arm_event extlog_mem_event mc_event memory_failure_event non_standard_event`,
  raw_syscalls: `sys_enter sys_exit`,
  rcu: `rcu_stall_warning rcu_utilization`,
  readahead: `page_cache_ra_order page_cache_ra_unbounded page_cache_ra_op(page_cache_async_ra page_cache_sync_ra)`,
  regmap: `regcache_drop_region regcache_sync regmap_async(regmap_async_complete_done regmap_async_complete_start
    regmap_async_io_complete) regmap_block(regmap_async_write_start regmap_hw_read_done regmap_hw_read_start
    regmap_hw_write_done regmap_hw_write_start) regmap_bool(regmap_cache_bypass regmap_cache_only)
    regmap_bulk(regmap_bulk_read regmap_bulk_write) regmap_reg(regmap_reg_read regmap_reg_read_cache
    regmap_reg_write)`,
  regulator: `regulator_basic(regulator_bypass_disable regulator_bypass_disable_complete regulator_bypass_enable
    regulator_bypass_enable_complete regulator_disable regulator_disable_complete regulator_enable
    regulator_enable_complete regulator_enable_delay) regulator_range(regulator_set_voltage)
    regulator_value(regulator_set_voltage_complete)`,
  resctrl: `mon_llc_occupancy_limbo pseudo_lock_l2 pseudo_lock_l3 pseudo_lock_mem_latency`,
  rpm: `rpm_return_int rpm_status rpm_internal(rpm_idle rpm_resume rpm_suspend rpm_usage)`,
  rseq: `rseq_ip_fixup rseq_update`,
  rtc: `rtc_alarm_irq_enable rtc_irq_set_freq rtc_irq_set_state rtc_offset_class(rtc_read_offset rtc_set_offset)
    rtc_time_alarm_class(rtc_read_alarm rtc_read_time rtc_set_alarm rtc_set_time) rtc_timer_class(rtc_timer_dequeue
    rtc_timer_enqueue rtc_timer_fired)`,
  sched: `sched_kthread_stop sched_kthread_stop_ret sched_kthread_work_execute_end sched_kthread_work_execute_start
    sched_kthread_work_queue_work sched_migrate_task sched_move_numa sched_pi_setprio sched_prepare_exec
    sched_process_exec sched_process_fork sched_process_hang sched_process_wait sched_skip_cpuset_numa
    sched_skip_vma_numa sched_stat_runtime sched_switch sched_wake_idle_without_ipi
    sched_numa_pair_template(sched_stick_numa sched_swap_numa) sched_process_template(sched_process_exit
    sched_process_free sched_wait_task) sched_stat_template(sched_stat_blocked sched_stat_iowait sched_stat_sleep
    sched_stat_wait) sched_wakeup_template(sched_wakeup sched_wakeup_new sched_waking)`,
  signal: `signal_deliver signal_generate`,
  skb: `consume_skb kfree_skb skb_copy_datagram_iovec`,
  smbus: `smbus_read smbus_reply smbus_result smbus_write`,
  sock: `inet_sk_error_report inet_sock_set_state sk_data_ready sock_exceed_buf_limit sock_rcvqueue_full
    sock_msg_length(sock_recv_length sock_send_length)`,
  spi: `spi_message_done spi_set_cs spi_setup spi_controller(spi_controller_busy spi_controller_idle)
    spi_message(spi_message_start spi_message_submit) spi_transfer(spi_transfer_start spi_transfer_stop)`,
  swiotlb: `swiotlb_bounced`,
  task: `task_newtask task_prctl_unknown task_rename`,
  tcp: `tcp_cong_state_set tcp_probe tcp_rcvbuf_grow tcp_retransmit_synack tcp_send_reset tcp_sendmsg_locked
    tcp_ao_event(tcp_ao_handshake_failure tcp_ao_key_not_found tcp_ao_mismatch tcp_ao_rnext_request
    tcp_ao_wrong_maclen) tcp_ao_event_sk(tcp_ao_synack_no_key) tcp_ao_event_sne(tcp_ao_rcv_sne_update
    tcp_ao_snd_sne_update) tcp_event_sk(tcp_destroy_sock tcp_rcv_space_adjust tcp_receive_reset)
    tcp_event_sk_skb(tcp_retransmit_skb) tcp_event_skb(tcp_bad_csum) tcp_hash_event(tcp_hash_ao_required
    tcp_hash_bad_header tcp_hash_md5_mismatch tcp_hash_md5_required tcp_hash_md5_unexpected)
    tcp_event_sk_skb(tcp_send_reset)`,
  thermal: `cdev_update thermal_power_devfreq_get_power thermal_power_devfreq_limit thermal_temperature
    thermal_zone_trip`,
  thermal_power_allocator: `thermal_power_actor thermal_power_allocator thermal_power_allocator_pid`,
  thp: `hugepage_set_pmd hugepage_update migration_pmd(remove_migration_pmd set_migration_pmd)`,
  timer: `hrtimer_expire_entry hrtimer_init hrtimer_setup hrtimer_start itimer_expire itimer_state tick_stop
    timer_base_idle timer_expire_entry timer_start hrtimer_class(hrtimer_cancel hrtimer_expire_exit)
    timer_class(timer_cancel timer_expire_exit timer_init)`,
  timer_migration: `tmigr_connect_child_parent tmigr_connect_cpu_parent tmigr_group_set tmigr_handle_remote
    tmigr_update_events tmigr_cpugroup(tmigr_cpu_active tmigr_cpu_new_timer tmigr_cpu_offline tmigr_cpu_online
    tmigr_handle_remote_cpu) tmigr_group_and_cpu(tmigr_group_set_cpu_active tmigr_group_set_cpu_inactive)
    tmigr_idle(tmigr_cpu_idle tmigr_cpu_new_timer_idle)`,
  timestamp: `ctime_ns_xchg fill_mg_cmtime ctime(ctime_xchg_skip inode_set_ctime_to_ts)`,
  tlb: `tlb_flush`,
  udp: `udp_fail_queue_rcv_skb`,
  vmalloc: `alloc_vmap_area free_vmap_area_noflush purge_vmap_area_lazy`,
  vmscan: `mm_shrink_slab_end mm_shrink_slab_start mm_vmscan_kswapd_sleep mm_vmscan_kswapd_wake
    mm_vmscan_lru_isolate mm_vmscan_lru_shrink_active mm_vmscan_lru_shrink_inactive mm_vmscan_node_reclaim_begin
    mm_vmscan_reclaim_pages mm_vmscan_throttled mm_vmscan_wakeup_kswapd mm_vmscan_write_folio
    mm_vmscan_direct_reclaim_begin_template(mm_vmscan_direct_reclaim_begin mm_vmscan_memcg_reclaim_begin
    mm_vmscan_memcg_softlimit_reclaim_begin) mm_vmscan_direct_reclaim_end_template(mm_vmscan_direct_reclaim_end
    mm_vmscan_memcg_reclaim_end mm_vmscan_memcg_softlimit_reclaim_end mm_vmscan_node_reclaim_end)`,
  vsock: `virtio_transport_alloc_pkt virtio_transport_recv_pkt`,
  vsyscall: `emulate_vsyscall`,
  watchdog: `watchdog_set_timeout watchdog_template(watchdog_ping watchdog_start watchdog_stop)`,
  wbt: `wbt_lat wbt_stat wbt_step wbt_timer`,
  workqueue: `workqueue_activate_work workqueue_execute_end workqueue_execute_start workqueue_queue_work`,
  writeback: `balance_dirty_pages bdi_dirty_ratelimit flush_foreign global_dirty_state inode_foreign_history
    inode_switch_wbs inode_switch_wbs_queue track_foreign_dirty writeback_bdi_register writeback_pages_written
    writeback_queue_io writeback_sb_inodes_requeue wbc_class(wbc_writepage)
    writeback_class(writeback_wake_background) writeback_dirty_inode_template(writeback_dirty_inode
    writeback_dirty_inode_start writeback_mark_inode_dirty) writeback_folio_template(folio_wait_writeback
    writeback_dirty_folio) writeback_inode_template(sb_clear_inode_writeback sb_mark_inode_writeback
    writeback_dirty_inode_enqueue writeback_lazytime writeback_lazytime_iput)
    writeback_single_inode_template(writeback_single_inode writeback_single_inode_start)
    writeback_work_class(writeback_exec writeback_queue writeback_start writeback_wait writeback_written)
    writeback_write_inode_template(writeback_write_inode writeback_write_inode_start)`,
  x86_fpu: `x86_fpu(x86_fpu_after_restore x86_fpu_after_save x86_fpu_before_restore x86_fpu_before_save
    x86_fpu_copy_dst x86_fpu_copy_src x86_fpu_dropped x86_fpu_init_state x86_fpu_regs_activated
    x86_fpu_regs_deactivated x86_fpu_xstate_check_failed)`,
  xdp: `bpf_xdp_link_attach_failed mem_connect mem_disconnect mem_return_failed xdp_bulk_tx xdp_cpumap_enqueue
    xdp_cpumap_kthread xdp_devmap_xmit xdp_exception xdp_redirect_template(xdp_redirect xdp_redirect_err
    xdp_redirect_map xdp_redirect_map_err)`,
  xen: `xen_cpu_load_idt xen_cpu_set_ldt xen_cpu_write_gdt_entry xen_cpu_write_idt_entry xen_cpu_write_ldt_entry
    xen_mc_callback xen_mc_entry xen_mc_entry_alloc xen_mc_extend_args xen_mc_flush xen_mc_flush_reason
    xen_mmu_alloc_ptpage xen_mmu_flush_tlb_multi xen_mmu_flush_tlb_one_user xen_mmu_release_ptpage xen_mmu_set_p4d
    xen_mmu_set_pmd xen_mmu_set_pud xen_mmu_write_cr3 xen_mc__batch(xen_mc_batch xen_mc_issue)
    xen_mmu__set_pte(xen_mmu_set_pte) xen_mmu_pgd(xen_mmu_pgd_pin xen_mmu_pgd_unpin)
    xen_mmu_ptep_modify_prot(xen_mmu_ptep_modify_prot_commit xen_mmu_ptep_modify_prot_start)`,
}
